#!/usr/bin/env bash
# On a GPU machine without a network, in the folder of the project: what benchmarks/gpu_pack.py packed, put to use.
#   gpu_job.sh FOLDER               put the images of this part aside
#   gpu_job.sh FOLDER OUT QUEUE     then pack them, do the queue, and leave its results in OUT in pieces of 15 MB
# `cat OUT/results.tar.* | tar x` unpacks them: weights, histories, checkpoints, journals for `srlab send`.
set -euo pipefail
folder=$1 images=work/gpu_images site=work/gpu_site python=${PYTHON:-python3}
mkdir -p "$images" work/gpu_weights
find "$folder/images" -type f \( -name '*.npz' -o -name '*.pth' -o -name '*.safetensors' \) -exec mv -t work/gpu_weights {} +
find "$folder/images" -type f -exec mv -t "$images" {} +
echo "$(find "$images" -type f | wc -l) images, $(find work/gpu_weights -type f | wc -l) files of weights"
[ $# -gt 1 ] || exit 0
out=$2 queue=$3
[ -d "$site" ] || "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$folder"/wheels/*.whl
export PYTHONPATH=$PWD/$site:$PWD/src PYTHONUNBUFFERED=1
for vgg in work/gpu_weights/*vgg19*; do [ ! -e "$vgg" ] || export SRLAB_VGG19=$PWD/$vgg; done
cp "$folder/params.yaml" params.yaml
if [ ! -d data/pairs/train/all ]; then
    "$python" pipelines/fetch.py name=all dataset=folder selection=none tracking.live=false hydra.run.dir=data
    "$python" pipelines/degrade.py name=all hydra.run.dir=data
fi
status=0
"$python" benchmarks/gpu_queue.py work/gpu_results "$queue" ${GPU_QUEUE_OPTIONS:-} || status=$?
mkdir -p "$out"
rm -f "$out"/results.tar.*
tar cf - -C work gpu_results | split -b 15m - "$out/results.tar."
exit $status

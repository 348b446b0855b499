"""Score one method on every test set, measure what it costs, keep some of its images.

Stages evaluate_classical@C, evaluate_examples@E, evaluate@M, evaluate_gan@G and evaluate_pretrained@P.
"""

from dataclasses import asdict
from pathlib import Path

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("evaluate")
def main(cfg: DictConfig) -> None:
    from srlab.models.base.kernels import use_kernels, use_threads

    use_kernels(cfg.kernels)  # before torch is imported
    import torch
    from hydra.utils import instantiate

    from srlab.degradation.pairs import PairStore
    from srlab.evaluation.benchmark import evaluate
    from srlab.evaluation.canary import check
    from srlab.evaluation.cost import measure
    from srlab.evaluation.frames import frame_scores, score_frames
    from srlab.evaluation.scores import cost_scores, image_rows, set_scores
    from srlab.files import write_json
    from srlab.tracking.tracker import remembered_run

    use_threads(cfg.num_threads)
    name, output = cfg.model.name, output_folder()
    stores = {key: PairStore(Path(cfg.pairs, key)) for key, entry in cfg.test_sets.items() if entry.role == "test"}
    protocols = [instantiate(protocol) for protocol in cfg.protocols.values()]
    checked = check(stores, cfg.scale, protocols)
    method = instantiate(cfg.model.method)
    samples = output / "samples" / name
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.allow_tf32 = False  # torch's own default; it would show in the third decimal of a PSNR
    cost = measure(method, cfg.scale, device)  # before the tracker starts a process of its own
    tracker = instantiate(cfg.tracking).start(
        name, {"srlab.method": name}, {"scale": cfg.scale}, remembered_run(Path(cfg.trained)), adds=True
    )
    with tracker.closing():
        scores = evaluate(name, method, stores, cfg.scale, protocols, samples, cfg.num_samples, device)
        scores |= score_frames(name, method, stores, instantiate(cfg.burst), protocols, output / "frames" / name)
        kind = getattr(method, "kind", cfg.model.kind)  # of released weights their card knows it
        scores |= {"branch": cfg.model.branch, "kind": kind} | asdict(checked)
        write_json(output / "metrics" / f"{name}.json", scores)
        write_json(output / "costs" / f"{name}.json", cost)
        tracker.tags({"srlab.label": scores["label"]})
        tracker.scores(set_scores(scores) | frame_scores(scores) | cost_scores(cost))
        tracker.table(image_rows(scores), "test_scores.json")
        tracker.artifact(samples, "test_images")


if __name__ == "__main__":
    main()

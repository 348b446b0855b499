"""Stage fetch@D: choose the images of a data set, bring them to data/images/, each one checked, and split them."""

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("fetch")
def main(cfg: DictConfig) -> None:
    from hydra.utils import instantiate

    from srlab.datasets.selection import Selected, write_selection
    from srlab.datasets.sources import fetch_images
    from srlab.files import read_json, write_json
    from srlab.report.data_sheets import write_data_sheet

    images, sheet = output_folder() / cfg.images, output_folder() / cfg.sheet
    source = instantiate(cfg.dataset.source)
    selection = instantiate(cfg.selection)(source)
    write_selection(selection, source, sheet)
    write_data_sheet(selection, cfg.name, sheet)
    chosen = Selected(source, str(sheet / "selection.json"))
    fetch_images(chosen, images, cfg.minimum_side, instantiate(cfg.leaks))
    write_json(images / "index.json", instantiate(cfg.index, manifest=read_json(images / "manifest.json")))

    tracker = instantiate(cfg.tracking).start(f"data-{cfg.name}", {"srlab.dataset": cfg.name}, {})
    with tracker.closing():
        tracker.artifact(sheet, "")


if __name__ == "__main__":
    main()

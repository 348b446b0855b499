"""Stage select_images@D: choose the pictures of one data set, before any is copied, and say in reports/data/ how.

Not select.py: beside the other scripts that would stand in for the standard library's `select`.
"""

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("select_images")
def main(cfg: DictConfig) -> None:
    from hydra.utils import instantiate

    from srlab.datasets.selection import write_selection
    from srlab.report.data_sheets import write_data_sheet

    source = instantiate(cfg.dataset.source)
    selection = instantiate(cfg.selection)(source)
    folder = output_folder() / "data" / cfg.name
    write_selection(selection, str(source), folder)
    write_data_sheet(selection, cfg.name, folder)

    tracker = instantiate(cfg.tracking).start(f"data-{cfg.name}", {"srlab.dataset": cfg.name}, {})
    with tracker.closing():
        tracker.artifact(folder, "")


if __name__ == "__main__":
    main()

"""Stage report: the comparison table and the figures, for people, Git and MLflow."""

from pathlib import Path

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("report")
def main(cfg: DictConfig) -> None:
    from hydra.utils import instantiate

    from srlab.data.pairs import PairStore
    from srlab.evaluation.scores import set_scores
    from srlab.files import read_json
    from srlab.report.audit import paper_remarks
    from srlab.report.literature import paper_table, published
    from srlab.report.page import comparison, curves, training_set_note, write_page
    from srlab.report.table import rows, summary

    output = output_folder()
    trained = [*cfg.models, *cfg.gans]
    metrics = [read_json(Path(cfg.metrics, f"{name}.json")) for name in [*cfg.classical, *trained]]
    notes = [training_set_note(cfg.train_on, read_json(Path(cfg.manifest))), *paper_remarks()]
    table = summary(metrics, paper_table(), notes, published())
    figures = {
        "comparison": comparison(metrics, PairStore(Path(cfg.figure_pairs)), Path(cfg.samples), cfg.figure),
        "training_curves": curves(metrics, Path(cfg.trained), trained),
    }
    write_page(output, table, figures)

    tracker = instantiate(cfg.tracking).start("comparison", {"srlab.method": "comparison"}, {"scale": cfg.scale})
    with tracker.closing():
        tracker.describe(table, [one["method"] for one in metrics])
        tracker.table(rows(metrics), "comparison.json")
        tracker.scores({f"{one['method']}/{key}": value for one in metrics for key, value in set_scores(one).items()})
        tracker.artifact(output / "summary.md", "")
        tracker.artifact(output / "figures", "figures")


if __name__ == "__main__":
    main()

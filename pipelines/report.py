"""Stage report: the comparison table and the figures, for people, Git and MLflow."""

from pathlib import Path

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("report")
def main(cfg: DictConfig) -> None:
    from hydra.utils import instantiate

    from srlab.degradation.pairs import PairStore
    from srlab.evaluation.scores import under
    from srlab.files import read_made
    from srlab.report import bursts, perception, statistics
    from srlab.report.charts import family_tree, quality_and_time
    from srlab.report.literature import paper_table, published
    from srlab.report.offline import about, gallery, write_offline_page
    from srlab.report.page import comparison, curves, set_titles, shown_image, training_set_note, visual, write_page
    from srlab.report.repetitions import repetitions
    from srlab.report.table import rows, summary

    output = output_folder()
    networks = [*cfg.models, *cfg.gans]
    methods = [*cfg.classical, *cfg.examples, *networks, *cfg.pretrained]
    metrics = [read_made(Path(cfg.metrics, f"{name}.json")) for name in methods]
    costs = {name: read_made(Path(cfg.costs, f"{name}.json")) for name in methods}
    manifests = {
        name: read_made(Path(cfg.images, one.role, name, "manifest.json")) for name, one in cfg.datasets.items()
    }
    trained_on = [name for name, one in cfg.datasets.items() if one.role == "train"]
    notes = [training_set_note(name, manifests[name]) for name in trained_on]
    protocol, crop_size = cfg.figure.protocol, cfg.figure.crop_size
    set_name, image = shown_image(cfg.datasets, Path(cfg.pairs), cfg.figure.figure_set, cfg.figure.figure_image)
    titles = set_titles(manifests)
    trained = {"models": cfg.models, "gans": cfg.gans, "examples": cfg.examples, "pretrained": cfg.pretrained}
    groups = repetitions(trained, cfg.seed)
    sections = [
        perception.section(metrics, protocol, titles, groups, set_name),
        statistics.section(metrics, protocol, titles),
        bursts.section(metrics, protocol),
    ]
    table = summary(metrics, protocol, paper_table(), notes, published(), costs, titles, sections, groups)
    shown = [under(one, protocol) for one in metrics]
    again = {name for names in groups.values() for name in names[1:]}
    drawn = [one for one in shown if one["method"] not in again]  # in a figure one seed stands for all
    stores = {name: PairStore(Path(cfg.pairs, name)) for name, one in cfg.datasets.items() if one.role == "test"}
    figures = {
        "comparison": comparison(drawn, stores[set_name].hr(image), Path(cfg.samples), set_name, image, crop_size),
        **visual(drawn, stores, Path(cfg.samples), crop_size),
        "quality_and_time": quality_and_time(drawn, costs, set_name),
        **perception.plane(drawn, set_name),
        "family_tree": family_tree(drawn, set_name),
        "frames": bursts.picture(metrics, protocol, Path(cfg.frame_images), set_name, crop_size),
        "training_curves": curves(metrics, Path(cfg.trained), networks),
    }
    write_page(output, table, figures)
    shown_images = gallery(shown, Path(cfg.pairs), Path(cfg.samples), crop_size)
    settings = {
        "seed": cfg.seed,
        "scale": cfg.scale,
        "datasets": cfg.datasets,
        "report": cfg.figure,
        "classical": cfg.classical,
        "examples": cfg.examples,
        "models": cfg.models,
        "gans": cfg.gans,
        "pretrained": cfg.pretrained,
    }
    write_offline_page(output, shown_images, about(shown, manifests, Path(cfg.sheets), settings))

    tracker = instantiate(cfg.tracking).start("comparison", {"srlab.method": "comparison"}, {"scale": cfg.scale})
    with tracker.closing():
        tracker.describe(table, [one["method"] for one in metrics])
        tracker.table(rows(metrics, costs), "comparison.json")
        tracker.artifact(output / "summary.md", "")
        tracker.artifact(output / "index.html", "")
        tracker.artifact(output / "figures", "figures")


if __name__ == "__main__":
    main()

"""Whether a control does as well as what is recommended: then the recommendation has to say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evenhand.models.bundle.target import Target
from evenhand.training.benchmark.aggregate import Figure, MethodRow
from evenhand.training.benchmark.frontier import Axis, target_axis
from evenhand.training.benchmark.recommend import Recommendation, affordable, gain_of, gains
from evenhand.training.benchmark.results_table import percent, points

Versus = Callable[[str, str], dict[str, Figure]]
"""A control's and a method's name to the control's ``accuracy_difference`` and ``target_difference``."""


def control_sentences(
    advice: Recommendation, lines: Sequence[MethodRow], target: Target, versus: Versus
) -> tuple[str, ...]:
    """Sentences about controls that a reader must know; validation rows only.

    Args:
        advice: What the rule says.
        lines: All methods.
        target: What is aimed at, and what it may cost.
        versus: How two methods differ on the same rows.
    """
    axis = target_axis(target)
    controls = [line for line in lines if line.method.control and line.seeds == lines[0].seeds]
    if advice.verdict == "take":
        chosen = next(line for line in lines if line.method.name == advice.method)
        pairs = [(line, versus(line.method.name, chosen.method.name)) for line in controls]
        return tuple(
            f"A control does as well, within noise: {_figures(line)} Against {chosen.method.title}: target "
            f"{points(of['target_difference'])} points, accuracy {points(of['accuracy_difference'])} points. "
            f"{_serving(line)}"
            for line, of in pairs
            if affordable(line, target) and is_as_good(of, axis)
        )
    if advice.verdict == "keep the base":
        return tuple(
            f"A control does better than the base: {_figures(line)} Against the base: target "
            f"{points(line.figures['val']['target_difference'])} points, accuracy "
            f"{points(line.figures['val']['accuracy_difference'])} points. {_serving(line)}"
            for line in controls
            if gains(line, axis) and affordable(line, target)
        )
    return ()


def is_as_good(of: dict[str, Figure], axis: Axis) -> bool:
    """Whether a control is surely worse in neither target nor accuracy."""
    target = gain_of(of["target_difference"], axis)
    accuracy = of["accuracy_difference"]
    if target.mean is None or accuracy.mean is None:
        return False
    return not _surely_below(target) and not _surely_below(accuracy)


def _surely_below(figure: Figure) -> bool:
    return figure.high is not None and figure.high < 0


def _figures(line: MethodRow) -> str:
    of = line.figures["val"]
    return (
        f"{line.method.title}, target {percent(of['target'])} %, accuracy {percent(of['accuracy'])} %; the "
        f"cell that loses most against the base loses {percent(of['largest_cell_loss'])} points."
    )


def _serving(line: MethodRow) -> str:
    if line.method.sees.test:
        return "It needs the attribute of every row that it answers."
    return line.method.served.why

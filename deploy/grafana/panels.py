"""The kinds of panels that the boards are made of, each a question in PromQL and how its answer is shown."""

from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.builders.heatmap import HeatmapColorOptions, YAxisConfig
from grafana_foundation_sdk.builders.heatmap import Panel as Heatmap
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as StateTimeline
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

#: The Prometheus that the board's own choice names.
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${source}")

SECONDS: Final = "s"
SHARE: Final = "percentunit"
DOLLARS: Final = "currencyUSD"
COUNT: Final = "none"

#: Of 24 columns.
WHOLE, HALF, THIRD, QUARTER, SIXTH = 24, 12, 8, 6, 4
_LOW, _HIGH = 4, 9

GOOD, SO_SO, BAD = "green", "orange", "red"


def graph(title: str, about: str, unit: str, queries: dict[str, str], *, span: int = HALF) -> Timeseries:
    """Lines over time; `queries` maps each legend (its labels in `{{ }}`) to its expression."""
    panel = (
        Timeseries()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(span)
        .height(_HIGH)
        .line_width(2)
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .show_points(VisibilityMode.NEVER)
        .legend(VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM))
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    for letter, (legend, expression) in zip(ascii_uppercase, queries.items(), strict=False):
        panel = panel.with_target(_query(expression, legend).ref_id(letter))
    return panel


def dashed(panel: Timeseries, legend: str, color: str) -> Timeseries:
    """The same graph, one of its lines drawn as what others are held against."""
    return panel.override_by_name(
        legend,
        [
            DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]}),
            DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color}),
        ],
    )


def stacked(title: str, about: str, unit: str, queries: dict[str, str], *, span: int = HALF) -> Timeseries:
    """Areas that add up."""
    return (
        graph(title, about, unit, queries, span=span)
        .stacking(StackingConfig().mode(StackingMode.NORMAL))
        .fill_opacity(60)
        .line_width(1)
    )


def bars(title: str, about: str, unit: str, queries: dict[str, str], *, span: int = HALF) -> Timeseries:
    """Bars that add up."""
    return stacked(title, about, unit, queries, span=span).draw_style(GraphDrawStyle.BARS).fill_opacity(80)


def heat(title: str, about: str, buckets: str, *, span: int = HALF) -> Heatmap:
    """How values of a histogram (its buckets, by `le`) are spread, in seconds."""
    query = _query(buckets, "{{le}}").format(PromQueryFormat.HEATMAP)
    return (
        Heatmap()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .span(span)
        .height(_HIGH)
        .calculate(False)
        .y_axis(YAxisConfig().unit(SECONDS))
        .color(
            HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .scale(HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
        )
        .with_target(query)
    )


def figure(
    title: str,
    about: str,
    unit: str,
    expression: str,
    *,
    steps: tuple[tuple[float | None, str], ...] = ((None, GOOD),),
    nothing: str = "none",
    span: int = SIXTH,
) -> Stat:
    """One number now; `steps` are values from which on a colour holds, the first without one."""
    return (
        Stat()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .span(span)
        .height(_LOW)
        .no_value(nothing)
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(steps))
        .with_target(_query(expression, ""))
    )


def states(title: str, about: str, expression: str, legend: str, *, span: int = WHOLE) -> StateTimeline:
    """A strip for each series: 1 good, 0.5 tolerated, 0 bad, and nothing where nothing tells."""
    named = {
        "1": ValueMappingResult(text="holds", color=GOOD),
        "0.5": ValueMappingResult(text="degraded", color=SO_SO),
        "0": ValueMappingResult(text="broken", color=BAD),
    }
    untold = DashboardSpecialValueMapOptions(
        match=SpecialValueMatch.NULL_AND_NAN, result=ValueMappingResult(text="unknown", color="gray")
    )
    mappings: list[ValueMapping] = [ValueMap(options=named), SpecialValueMap(options=untold)]
    return (
        StateTimeline()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .span(span)
        .height(_HIGH)
        .row_height(0.8)
        .show_value(VisibilityMode.NEVER)
        .mappings(mappings)
        .with_target(_query(expression, legend))
    )


def listing(title: str, about: str, unit: str, expression: str, *, span: int = HALF) -> Table:
    """A row for each series now, its labels and its value."""
    hidden = DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
    return (
        Table()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .span(span)
        .height(_HIGH)
        .no_value("none")
        .with_transformation(hidden)
        .with_target(Dataquery().expr(expression).instant().format(PromQueryFormat.TABLE).ref_id("A"))
    )


def _query(expression: str, legend: str) -> Dataquery:
    return Dataquery().expr(expression).range().legend_format(legend).ref_id("A")


def _thresholds(steps: tuple[tuple[float | None, str], ...]) -> ThresholdsConfig:
    made = [Threshold(value=value, color=color) for value, color in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)

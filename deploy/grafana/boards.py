"""The boards: how everything stands, cold start and wake, promises and budgets, cost, the service itself."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    CustomVariable,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from deploy.grafana.panels import (
    BAD,
    COUNT,
    DOLLARS,
    GOOD,
    QUARTER,
    SECONDS,
    SHARE,
    SO_SO,
    SOURCE,
    THIRD,
    WHOLE,
    bars,
    dashed,
    figure,
    graph,
    heat,
    listing,
    stacked,
    states,
)

_TAG: Final = "synthetics"
_USUAL, _TARGET = "usual", "target"


def _board(uid: str, title: str, about: str) -> Dashboard:
    others = (
        DashboardLink("Boards")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([_TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
    return (
        Dashboard(title)
        .uid(uid)
        .description(about)
        .tags([_TAG])
        .timezone("browser")
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(others)
        .with_variable(DatasourceVariable("source").label("Prometheus").type("prometheus"))
        .with_variable(_spans())
    )


def _spans() -> CustomVariable:
    """Over what a rate is taken: cold starts are minutes apart, so a scrape's own interval shows nothing."""
    return (
        CustomVariable("over")
        .label("Over")
        .description("Over what time rates, means and quantiles are taken.")
        .values("1h,3h,12h,1d,7d")
        .current(VariableOption(text="3h", value="3h", selected=True))
    )


def _probes() -> QueryVariable:
    return (
        QueryVariable("probe")
        .label("Probe")
        .datasource(SOURCE)
        .query("label_values(synthetics_runs_total, probe)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def _marks(name: str, expression: str, color: str) -> AnnotationQuery:
    """Spans of time in which the expression has a series, over every graph."""
    return AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(color).expr(expression)


OVERVIEW = (
    _board("synthetics-overview", "Synthetics: overview", "How every probe stands, and what is open.")
    .annotation(
        _marks("Incidents", "max by (rule, severity) (synthetics_incidents_open) > 0", BAD)
    )
    .with_panel(
        figure(
            "Promises broken", "Probes whose latest telling run failed.", COUNT,
            "count(max by (probe) (synthetics_probe_up) == 0) or vector(0)",
            steps=((None, GOOD), (1, BAD)), span=QUARTER,
        )
    )
    .with_panel(
        figure(
            "Open incidents", "Those that another one explains are left out.", COUNT,
            "sum(max by (rule, severity) (synthetics_incidents_open)) or vector(0)",
            steps=((None, GOOD), (1, BAD)), span=QUARTER,
        )
    )
    .with_panel(
        figure(
            "Slower than usual", "Timings that have become slower.", COUNT,
            "sum(max by (probe, timing, path, location) (synthetics_regression_active)) or vector(0)",
            steps=((None, GOOD), (1, BAD)), span=QUARTER,
        )
    )
    .with_panel(
        figure(
            "Runs without a verdict", "Broken, missed or interrupted: they tell nothing.", SHARE,
            'sum(rate(synthetics_runs_total{outcome=~"broken|missed|interrupted"}[$over]))'
            " / (sum(rate(synthetics_runs_total[$over])) > 0)",
            steps=((None, GOOD), (0.05, SO_SO), (0.2, BAD)), nothing="no runs", span=QUARTER,
        )
    )
    .with_panel(
        states(
            "Probes", "Whether each promise held in its latest telling run; nothing where nothing tells.",
            "max by (probe) (synthetics_probe_up)", "{{probe}}",
        ).height(14)
    )
    .with_panel(
        listing(
            "Open incidents", "By rule and severity. The service's own page has each of them.", COUNT,
            "max by (rule, severity) (synthetics_incidents_open) > 0", span=THIRD,
        )
    )
    .with_panel(
        listing(
            "Last passed", "How long ago each probe last passed.", SECONDS,
            "sort_desc(time() - max by (probe) (synthetics_probe_last_success_timestamp_seconds))", span=THIRD,
        )
    )
    .with_panel(
        listing(
            "Usual timings", "The middle of each timing's level now; absent while it is learnt.", SECONDS,
            "sort_desc(max by (probe, timing, path) (synthetics_timing_baseline_seconds))", span=THIRD,
        )
    )
    .with_panel(
        bars(
            "Runs", "How runs ended, in each span.", COUNT,
            {"{{outcome}}": "sum by (outcome) (increase(synthetics_runs_total[$over])) > 0"}, span=WHOLE,
        )
    )
)  # fmt: skip


def _timing(board: Dashboard, title: str, timing: str, words: str) -> Dashboard:
    """A row of a timing: its spread, its level against what is usual and allowed, and its phases."""
    which = f'timing="{timing}"'
    buckets = f"sum by (le) (rate(synthetics_timing_seconds_bucket{{{which}}}[$over]))"
    by_path = f"sum by (path, le) (rate(synthetics_timing_seconds_bucket{{{which}}}[$over]))"
    levels = graph(
        f"{title}: level", "The median and the 95th percentile; what is usual and what is allowed, dashed.",
        SECONDS,
        {
            "p50 {{path}}": f"histogram_quantile(0.5, {by_path})",
            "p95 {{path}}": f"histogram_quantile(0.95, {by_path})",
            _USUAL: f"max(synthetics_timing_baseline_seconds{{{which}}})",
            _TARGET: f"max(synthetics_timing_target_seconds{{{which}}})",
        },
        span=THIRD,
    )  # fmt: skip
    phases = (
        f"sum by (phase) (rate(synthetics_phase_seconds_sum{{{which}}}[$over]))"
        f" / (sum by (phase) (rate(synthetics_phase_seconds_count{{{which}}}[$over])) > 0)"
    )
    return (
        board.with_row(Row(title))
        .with_panel(heat(f"{title}: spread", words, buckets, span=THIRD))
        .with_panel(dashed(dashed(levels, _USUAL, "gray"), _TARGET, BAD))
        .with_panel(
            stacked(
                f"{title}: phases", "The mean of each phase; they add up to the mean of the whole.",
                SECONDS, {"{{phase}}": phases}, span=THIRD,
            )
        )
    )  # fmt: skip


_starting = (
    _board(
        "synthetics-starts", "Synthetics: cold start and wake", "How long users wait, and in which phase."
    )
    .annotation(
        _marks("Slower", "max by (probe, timing, path) (synthetics_regression_active) == 1", BAD)
    )
    .annotation(
        _marks("Incidents", "max by (rule, severity) (synthetics_incidents_open) > 0", SO_SO)
    )
)  # fmt: skip
_starting = _timing(
    _starting, "Cold start", "cold_start", "From the wish for a change to the preview, no container before."
)
_starting = _timing(_starting, "Wake", "wake", "From asking for a sleeping chat to its container's answer.")
STARTS = (
    _starting.with_row(Row("Every timing"))
    .with_panel(
        graph(
            "Against what is usual", "The median of each timing as a multiple of its baseline: 1 is as usual.",
            COUNT,
            {
                "{{probe}} {{timing}} {{path}}": (
                    "histogram_quantile(0.5, sum by (probe, timing, path, le)"
                    " (rate(synthetics_timing_seconds_bucket[$over])))"
                    " / max by (probe, timing, path) (synthetics_timing_baseline_seconds)"
                )
            },
        )
    )
    .with_panel(
        listing(
            "Slower than usual", "What has become slower; since when and why, on the incident's page.", COUNT,
            "max by (probe, timing, path, location) (synthetics_regression_active) == 1",
        )
    )
)  # fmt: skip

RELIABILITY = (
    _board(
        "synthetics-reliability", "Synthetics: promises and budgets", "Every case, and what is left."
    )
    .with_variable(_probes())
    .with_panel(
        listing(
            "Broken or degraded cases", "Of the latest telling runs: 0 broken, 0.5 degraded.", COUNT,
            'sort(min by (probe, case) (synthetics_check_passed{probe=~"$probe"}) < 1)', span=THIRD,
        )
    )
    .with_panel(
        graph(
            "Error budgets", "What is left of 28 days' budget: 1 all, 0 none.", SHARE,
            {
                "{{probe}} {{timing}} {{path}}": (
                    'min by (probe, timing, path) (synthetics_slo_budget_left_ratio{probe=~"$probe"})'
                )
            },
            span=THIRD,
        )
    )
    .with_panel(
        graph(
            "Burn rates", "How many times faster than allowed a budget goes, by window.", COUNT,
            {
                "{{timing}} {{path}} {{window}}": (
                    'max by (timing, path, window) (synthetics_slo_burn_rate{probe=~"$probe"})'
                )
            },
            span=THIRD,
        )
    )
    .with_panel(
        states(
            "Cases", "Each case in the latest telling run of its probe.",
            'min by (case) (synthetics_check_passed{probe=~"$probe"})', "{{case}}",
        ).height(24)
    )
    .with_panel(
        bars(
            "Runs by outcome", "In each span.", COUNT,
            {
                "{{outcome}}": (
                    'sum by (outcome) (increase(synthetics_runs_total{probe=~"$probe"}[$over])) > 0'
                )
            },
        )
    )
    .with_panel(
        graph(
            "How long runs take", "Median, waiting for a slot or a lock left out.", SECONDS,
            {
                "{{probe}}": (
                    "histogram_quantile(0.5, sum by (probe, le)"
                    ' (rate(synthetics_run_duration_seconds_bucket{probe=~"$probe"}[$over])))'
                )
            },
        )
    )
)  # fmt: skip

COST = (
    _board("synthetics-cost", "Synthetics: cost", "What watching costs, by list prices.")
    .with_variable(_probes())
    .with_panel(
        figure(
            "Last day", "Of all probes.", DOLLARS, "sum(increase(synthetics_cost_dollars_total[1d]))",
            nothing="nothing", span=THIRD,
        )
    )
    .with_panel(
        figure(
            "Thirty days at this rate", "The last day, thirty times.", DOLLARS,
            "30 * sum(increase(synthetics_cost_dollars_total[1d]))", nothing="nothing", span=THIRD,
        )
    )
    .with_panel(
        figure(
            "A run", "The mean over the span.", DOLLARS,
            "sum(increase(synthetics_cost_dollars_total[$over]))"
            " / (sum(increase(synthetics_run_duration_seconds_count[$over])) > 0)",
            nothing="no runs", span=THIRD,
        )
    )
    .with_panel(
        bars(
            "By probe", "In each span.", DOLLARS,
            {
                "{{probe}}": (
                    'sum by (probe) (increase(synthetics_cost_dollars_total{probe=~"$probe"}[$over])) > 0'
                )
            },
        )
    )
    .with_panel(
        graph(
            "Requests a second", "To the platform, by service.", COUNT,
            {"{{service}}": "sum by (service) (rate(synthetics_aws_requests_total[$over]))"},
        )
    )
    .with_panel(
        listing(
            "Requests", "The ten most frequent operations of the span.", COUNT,
            "topk(10, sum by (service, operation) (increase(synthetics_aws_requests_total[$over])))",
        )
    )
)  # fmt: skip

SERVICE = (
    _board("synthetics-service", "Synthetics: the service itself", "Whoever watches must be watched.")
    .with_panel(
        figure(
            "Processes", "That answer Prometheus.", COUNT, "count(synthetics_build_info)",
            steps=((None, BAD), (1, GOOD)), nothing="nobody watches",
        )
    )
    .with_panel(
        figure(
            "Database", "1 if it answers every process.", COUNT, "min(synthetics_store_up)",
            steps=((None, BAD), (1, GOOD)), nothing="nobody watches",
        )
    )
    .with_panel(
        figure(
            "Waiting on disk", "Finished runs not in the database.", COUNT, "sum(synthetics_spool_runs)",
            steps=((None, GOOD), (1, SO_SO), (100, BAD)),
        )
    )
    .with_panel(
        figure(
            "Runs lost", "In the span: neither database nor disk took them.", COUNT,
            "sum(increase(synthetics_runs_lost_total[$over]))", steps=((None, GOOD), (1, BAD)),
        )
    )
    .with_panel(
        figure(
            "Stuck on the platform", "Things of ours that the sweep cannot remove.", COUNT,
            "sum(max by (kind) (synthetics_resources_stuck)) or vector(0)", steps=((None, GOOD), (1, BAD)),
        )
    )
    .with_panel(
        figure(
            "Notices given up", "In the span.", COUNT,
            'sum(increase(synthetics_notices_total{outcome="given_up"}[$over])) or vector(0)',
            steps=((None, GOOD), (1, BAD)),
        )
    )
    .with_panel(
        graph(
            "How late runs are claimed", "After their tick.", SECONDS,
            {
                f"p{percent}": (
                    f"histogram_quantile(0.{percent}, sum by (le)"
                    " (rate(synthetics_tick_lateness_seconds_bucket[$over])))"
                )
                for percent in (50, 99)
            },
        )
    )
    .with_panel(
        graph(
            "Under way", "Runs of each process.", COUNT, {"{{instance}}": "synthetics_runs_in_flight"},
        )
    )
    .with_panel(
        graph(
            "Waiting for a slot or a lock", "95th percentile by probe.", SECONDS,
            {
                "{{probe}}": (
                    "histogram_quantile(0.95, sum by (probe, le)"
                    " (rate(synthetics_run_waited_seconds_bucket[$over])))"
                )
            },
        )
    )
    .with_panel(
        graph(
            "Event loop stalls a minute", "Of 50 ms and longer: timings taken meanwhile are marked.", COUNT,
            {
                "{{instance}}": (
                    "60 * (sum by (instance) (rate(synthetics_event_loop_stall_seconds_count[$over]))"
                    ' - sum by (instance) (rate(synthetics_event_loop_stall_seconds_bucket{le="0.05"}[$over])))'
                )
            },
        )
    )
    .with_panel(
        graph(
            "Requests that did not succeed", "A second, by service and outcome.", COUNT,
            {
                "{{service}} {{outcome}}": (
                    'sum by (service, outcome) (rate(synthetics_aws_requests_total{outcome!="ok"}[$over]))'
                )
            },
        )
    )
    .with_panel(
        graph(
            "How long requests take", "Mean, by service.", SECONDS,
            {
                "{{service}}": (
                    "sum by (service) (rate(synthetics_aws_request_seconds_sum[$over]))"
                    " / (sum by (service) (rate(synthetics_aws_request_seconds_count[$over])) > 0)"
                )
            },
        )
    )
    .with_panel(
        bars(
            "Left by runs, removed by the sweep", "By kind, in each span.", COUNT,
            {"{{kind}}": "sum by (kind) (increase(synthetics_resources_leaked_total[$over])) > 0"},
            span=THIRD,
        )
    )
    .with_panel(
        graph(
            "Forgotten by the platform", "Things of its own that are left; we leave them alone.", COUNT,
            {"{{kind}}": "max by (kind) (synthetics_orphans)"}, span=THIRD,
        )
    )
    .with_panel(
        bars(
            "Notices", "What became of attempts to tell people, in each span.", COUNT,
            {
                "{{notifier}} {{outcome}}": (
                    "sum by (notifier, outcome) (increase(synthetics_notices_total[$over])) > 0"
                )
            },
            span=THIRD,
        )
    )
    .with_panel(
        graph(
            "Memory", "Resident, by process.", "bytes", {"{{instance}}": "process_resident_memory_bytes"}
        )
    )
    .with_panel(
        graph(
            "CPU", "Cores, by process.", COUNT, {"{{instance}}": "rate(process_cpu_seconds_total[5m])"}
        )
    )
)  # fmt: skip

#: In the order in which one comes to them.
BOARDS: Final = (OVERVIEW, STARTS, RELIABILITY, COST, SERVICE)

"""What the entrance, the ways to sessions and AWS can do wrong, and what of it is only worth knowing."""

import pytest

from probes.alb_routing import alb_routing
from probes.infrastructure import infrastructure
from probes.session_routing import session_routing
from synthetics.contract.probe import Probe
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, failed, found, left_behind
from tests.support.sandbox import RunningSandbox

THROUGH_ROUTER = {"ROUTING_DIALECT": "lambda"}
#: Slow for a few calls only: cleaning up takes many.
PARAMETERS: dict[str, dict[str, object]] = {"aws-slow": {"amount": 10.0, "times": 6}}


@pytest.mark.parametrize(
    ("probe", "fault", "cases", "says", "settings"),
    [
        (alb_routing, "alb-health-broken", {"AR-01"}, "health path: wanted one of [200], got 500", {}),
        (alb_routing, "api-paths-broken", {"AR-02"}, "/api/status: 500", {}),
        (alb_routing, "path-to-wrong-service", {"AR-03", "AR-12"}, "no rule leads to Hermes", {}),
        (alb_routing, "unknown-session-served", {"AR-08"}, "wanted one of [404, 502, 503], got 200", {}),
        (alb_routing, "unknown-session-served", {"AR-08"}, "wanted one of [404], got 200", THROUGH_ROUTER),
        (alb_routing, "malformed-breaks", {"AR-09"}, "/session/../../etc/passwd: 500", {}),
        pytest.param(
            *(alb_routing, "router-slow", {"AR-10"}, "the slowest answer (session): wanted under 4 s", {}),
            marks=pytest.mark.long,
        ),
        (alb_routing, "api-health-broken", {"AR-11"}, "API's health path: wanted one of [200], got 500", {}),
        (alb_routing, "hermes-unhealthy", {"AR-12"}, "sqs_connectivity: no answer within 5000 ms", {}),
        (alb_routing, "alb-502-bursts", {"AR-12"}, "Hermes is away", {}),
        (infrastructure, "edit-service-inactive", {"INF-01"}, "wanted 'ACTIVE', got 'DRAINING'", {}),
        (infrastructure, "hermes-service-inactive", {"INF-02"}, "wanted 'ACTIVE', got 'DRAINING'", {}),
        (infrastructure, "metrics-unreadable", {"INF-04"}, "cloudwatch:GetMetricStatistics on", {}),
        (infrastructure, "aws-slow", {"INF-16"}, "the slowest AWS call", {"TARGET_AWS_S": "0.3"}),
        (infrastructure, "queue-rows-lost", {"INF-17"}, "just written: wanted the row", {}),
        (infrastructure, "thread-rows-lost", {"INF-18"}, "just written: wanted the row", {}),
        (session_routing, "foreign-preview", {"AR-07"}, "the site of syn-", {}),
        (session_routing, "session-header-ignored", {"AR-05"}, "customer whose container answered", {}),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
async def test_what_is_broken_is_named_by_its_case(
    probe: Probe,
    fault: str,
    cases: set[str],
    says: str,
    settings: dict[str, str],
    platform: RunningSandbox,
    watch: Watch,
) -> None:
    platform.set_fault(fault, **PARAMETERS.get(fault, {}))
    try:
        async with watch(platform, **settings) as monitor:
            run = await monitor.run(probe)
    finally:
        platform.clear_faults()

    assert failed(run) == cases, run.reason
    assert says in " ".join(str(found(run)[case].reason) for case in cases)
    assert left_behind(platform, run.tag) == []


async def test_a_refused_live_reload_is_worth_knowing_and_nothing_worse(
    platform: RunningSandbox, watch: Watch
) -> None:
    platform.set_fault("websocket-refused")
    try:
        async with watch(platform) as monitor:
            run = await monitor.run(session_routing)
    finally:
        platform.clear_faults()

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    assert found(run)["AR-06"].outcome is CheckOutcome.DEGRADED
    assert "its handshake got 403" in str(found(run)["AR-06"].reason)


async def test_without_a_container_there_is_no_health_of_the_api_to_judge(
    platform: RunningSandbox, watch: Watch
) -> None:
    async with watch(platform) as monitor:
        run = await monitor.run(alb_routing)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    assert found(run)["AR-11"].outcome is CheckOutcome.SKIPPED
    assert "no edit container was up" in str(found(run)["AR-11"].reason)


async def test_addresses_that_lack_their_ends_are_told_by_name(platform: RunningSandbox, watch: Watch) -> None:
    bare = platform.settings.alb_url
    async with watch(platform, HERMES_ENDPOINT=bare) as hermes, watch(platform, API_ENDPOINT=bare) as api:
        runs = [await monitor.run(infrastructure) for monitor in (hermes, api)]

    assert [failed(run) for run in runs] == [{"INF-10"}, {"INF-10"}]
    told = [str(found(run)["INF-10"].reason) for run in runs]
    assert f"HERMES_ENDPOINT {bare}: wanted …/hermes" in told[0]
    assert f"API_ENDPOINT {bare}: wanted …/api" in told[1]

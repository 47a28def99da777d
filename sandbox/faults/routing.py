"""Faults of the load balancer, of the router, and of waking through them."""

from sandbox.faults.spec import FaultSpec

#: Whatever asks for a session's page or for its readiness.
SESSIONS = ("AR", "CS", "SP", "CC", "SR", "SA-05", "SV", "LR", "AS", "CL", "SH", "FR", "PB", "E2E", "LD")

FAULTS = (
    FaultSpec(
        "alb-502-bursts",
        ("AR-12",),
        "The load balancer answers 502 in everybody's place (in bursts, by `times` or `probability`).",
        touches=("*",),
    ),
    FaultSpec(
        "alb-health-broken",
        ("AR-01", "INF-09"),
        "The load balancer's health path answers with this status.",
        {"status": 500},
    ),
    FaultSpec("api-paths-broken", ("AR-02",), "What lies under /api answers 500, but for its health."),
    FaultSpec(
        "api-health-broken", ("AR-11",), "The API's health path answers with this status.", {"status": 500}
    ),
    FaultSpec(
        "path-to-wrong-service",
        ("AR-03",),
        "Hermes' paths fall through to the load balancer's default answer.",
        touches=("*",),
    ),
    FaultSpec("malformed-breaks", ("AR-09",), "A malformed path is answered with 500."),
    FaultSpec(
        "unknown-session-served",
        ("AR-08", "SR-05"),
        "A session that nobody knows gets a page, with status 200.",
        touches=("LR-01", "LR-04", "CS-05"),
    ),
    FaultSpec(
        "router-slow",
        ("AR-10",),
        "Whatever asks for a session is held up on its way (amount in platform seconds).",
        {"amount": 100.0},
        touches=SESSIONS,
    ),
    FaultSpec(
        "session-page-away",
        ("AR-04",),
        "What lies below a session's own page answers 500, but for its health.",
    ),
    FaultSpec(
        "session-header-ignored",
        ("AR-05",),
        "X-Session-ID is not looked at: whichever container is at hand answers.",
    ),
    FaultSpec(
        "foreign-preview",
        ("AR-07",),
        "A session's address shows the site of another customer who is at work.",
        touches=("AR-04", "CC-02", "CC-07", "SP-05"),
    ),
    FaultSpec(
        "error-page-as-site",
        ("CS-08",),
        "A healthy container shows a server's error page in place of its site, with the status 200.",
        touches=("CS-01", "SR-04", "LR", "AR-04", "AR-07", "CC", "E2E-01"),
    ),
    FaultSpec("websocket-refused", ("AR-06",), "A live-reload handshake is answered with 403.", degrades=True),
    FaultSpec(
        "websocket-hangs",
        ("AR-06",),
        "A live-reload handshake is left without an answer (amount in platform seconds).",
        {"amount": 300.0},
    ),
    FaultSpec(
        "websocket-through-router-accepted",
        ("SR-06",),
        "The router's address accepts a WebSocket, which a Lambda cannot serve.",
    ),
    FaultSpec(
        "waking-page-without-retry-after",
        ("SR-04",),
        "The waking page does not say when to ask again.",
        degrades=True,
    ),
    FaultSpec(
        "waking-page-wrong",
        ("SR-04",),
        "The waking page says something else, and names no session.",
        touches=("LR-04",),
    ),
    FaultSpec(
        "preview-fails-while-waking",
        ("SR-04",),
        "While a woken container starts, its preview answers with this status.",
        {"status": 500},
    ),
    FaultSpec(
        "not-found-page-wrong",
        ("SR-05", "LR-04"),
        "The page for an unknown chat says something else, and names neither chat nor customer.",
        touches=("LR-01",),
    ),
    FaultSpec(
        "router-never-wakes",
        ("SR-04", "LR-03"),
        "The router shows its waking page and wakes nobody.",
        touches=("LR-05",),
    ),
    FaultSpec(
        "router-misreads-address",
        ("LR-01",),
        "With a page below it in the address, the router loses the end of the chat's name.",
        touches=("*",),
    ),
    FaultSpec(
        "router-finds-nobody",
        ("LR-02",),
        "The router takes every chat for one that nobody knows.",
        touches=("*",),
    ),
    FaultSpec(
        "unreachable-page-wrong",
        ("LR-04",),
        "The page for a container out of reach says something else.",
        touches=("SR-04",),
    ),
    FaultSpec(
        "router-drops-path",
        ("LR-05",),
        "Whatever is asked for below a chat's address, the router asks for its first page.",
        touches=("AR-04", "AR-05"),
    ),
    FaultSpec("router-drops-body", ("LR-05",), "The router passes requests on without their body."),
    FaultSpec(
        "router-drops-headers",
        ("LR-05",),
        "The router passes requests on without their headers.",
        touches=("AR-05",),
        degrades=True,
    ),
    FaultSpec(
        "router-changes-method",
        ("LR-05",),
        "The router makes a GET of every request that it passes on.",
        degrades=True,
    ),
)

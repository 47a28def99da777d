"""A judge on a real database, told of runs as the journal tells it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from synthetics.alerting.docket import Docket
from synthetics.alerting.judge import Judge
from synthetics.alerting.messages import Links
from synthetics.alerting.routing import Routing
from synthetics.alerting.tending import Tender
from synthetics.model.incident import Incident
from synthetics.model.run import Outcome, Run, RunKey, Trigger
from synthetics.settings import NotifierSettings
from synthetics.store import incidents, tables
from synthetics.store.engine import Database
from synthetics.store.entries import Finished, keep
from tests.support.runs import a_run

LINKS = Links("https://status.test", "https://docs.test/{rule}")
ON_CALL = NotifierSettings.model_validate({"alertmanager": "http://127.0.0.1:9"})


class Court:
    """Keeps runs and has them judged, one transaction each, as a worker does."""

    def __init__(
        self,
        database: Database,
        *,
        notifiers: Mapping[str, NotifierSettings] | None = None,
        hold: timedelta = timedelta(0),
        version: str = "test",
    ) -> None:
        self.database = database
        routing = Routing({"on-call": ON_CALL} if notifiers is None else notifiers, LINKS, hold)
        self.judge = Judge(Docket(routing), version=version)
        self.tender = Tender(database, self.judge)

    async def keep(self, *finished: Run) -> None:
        for run in finished:
            async with self.database.transaction() as connection:
                if await keep(connection, Finished(run)):
                    await self.judge.run_kept(connection, run)

    async def incidents(self) -> list[Incident]:
        """Every incident, oldest first."""
        async with self.database.transaction() as connection:
            chosen = select(tables.incidents).order_by(tables.incidents.c.opened_at, tables.incidents.c.probe)
            return [incidents.incident(row) for row in await connection.execute(chosen)]

    async def events(self, incident: Incident | None = None) -> list[str]:
        """What happened, in order."""
        async with self.database.transaction() as connection:
            chosen = select(tables.transitions.c.state).order_by(tables.transitions.c.id)
            if incident is not None:
                chosen = chosen.where(tables.transitions.c.incident_id == incident.id)
            return list(await connection.scalars(chosen))

    async def notices(self) -> list[dict[str, Any]]:
        """The outbox, in order."""
        async with self.database.transaction() as connection:
            chosen = select(tables.notices).order_by(tables.notices.c.transition_id, tables.notices.c.notifier)
            return [dict(row) for row in (await connection.execute(chosen)).mappings()]


def confirmed(run: Run, outcome: Outcome = Outcome.FAILED, **changes: Any) -> Run:
    """The run that confirms this one, or does not."""
    key = RunKey(run.key.probe, run.key.location, run.key.tick, Trigger.CONFIRM)
    later = run.finished + timedelta(seconds=1)
    return a_run(
        run.key.tick,
        outcome,
        name=run.key.probe,
        location=run.key.location,
        **{"key": key, "confirms": run.id, "started": later, "finished": later + run.took, **changes},
    )


def outage(at: datetime, *, name: str = "open_document", **changes: Any) -> tuple[Run, Run]:
    """A run that fails, and the one that confirms it."""
    failed = a_run(at, Outcome.FAILED, name=name, **changes)
    return failed, confirmed(failed)

"""What containers have logged (contract §9.3), for those who want to know why one did not come up."""

from probes.platform.aws import Aws, AwsError
from probes.platform.settings import PlatformSettings
from probes.platform.values import TaskView

_LINES = 10
_ABSENT = "ResourceNotFoundException"


class Logs:
    """CloudWatch Logs of the edit tasks; only looked at, and only where something went wrong."""

    def __init__(self, *, aws: Aws, settings: PlatformSettings) -> None:
        self._aws = aws
        self._settings = settings

    async def tail(self, task: TaskView, lines: int = _LINES) -> list[str]:
        """The last lines of a task's log, oldest first; none if it has none. Raises AwsError, ProbeBroken."""
        settings = self._settings
        stream = f"{settings.edit_log_prefix}/{settings.edit_container_name}/{task.id}"
        try:
            return await self._aws.call(
                "logs:GetLogEvents",
                f"{settings.edit_log_group}:{stream}",
                lambda c: [
                    event.get("message", "")
                    for event in c.logs.get_log_events(
                        logGroupName=settings.edit_log_group,
                        logStreamName=stream,
                        limit=lines,
                        startFromHead=False,
                    )["events"]
                ],
            )
        except AwsError as error:
            if error.code == _ABSENT:
                return []
            raise

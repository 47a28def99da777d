"""Chats made by hand: rows, queues and tasks, as the platform's own multi-session suite makes them."""

from datetime import datetime, timedelta

from probes.factories.conversation import Conversation, Who, uncount
from probes.platform import Context
from probes.platform.values import ContainerRow, QueueSet, TaskView
from synthetics.errors import ProbeBroken, Unexpected


class Direct:
    """Opens chats by writing what a container manager would (contract §7.1, column `direct`)."""

    several_users = True
    several_projects = True

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def open(self, who: Who, instruction: str = "") -> Conversation:
        """A chat written by hand, its container started unless it runs; nobody hears the instruction.

        Raises PlatformError, and ProbeBroken where other people use the platform.
        """
        ctx, web = self._ctx, self._ctx.platform
        if not web.settings.isolated:
            raise ProbeBroken(
                "SESSION_FACTORY=direct writes rows and starts tasks: ENVIRONMENT must be isolated"
            )
        began = ctx.instant()
        user, thread = web.hermes.user(f"{who.user}-{ctx.tag}"), f"{who.thread}-{ctx.tag}"
        container_id = web.container_id(project=who.project, user=user, thread=thread)
        session_id = f"{web.client_id}-{who.project}-{thread}"
        names = {"projectId": who.project, "userId": user}
        await web.tables.put_mapping(
            thread,
            session_id=session_id,
            container_id=container_id,
            clientProjectId=f"{web.client_id}-{who.project}",
            **names,
        )
        queues = await self._queues(container_id, names)
        row = await web.tables.container(container_id)
        if row is None or row.status not in ("starting", "running", "idle"):
            await self._start(container_id, session_id, thread, queues, names)
        await web.tables.put_session(
            session_id,
            status="active",
            user=user,
            threadId=thread,
            chatThreadId=thread,
            containerId=container_id,
            projectId=who.project,
            inputQueueUrl=queues.input_url,
            outputQueueUrl=queues.output_url,
            previewUrl=f"{web.settings.alb}/session/{session_id}",
        )
        await web.tables.count_session(container_id, 1)
        written = await web.tables.session(session_id)
        if written is None:
            raise Unexpected(f"unexpected: row of session {session_id}, just written: wanted it, got none")
        return Conversation(
            session_id=session_id,
            client_id=web.client_id,
            project=who.project,
            user_id=user,
            thread=thread,
            container_id=container_id,
            queues=queues,
            row=written,
            took=timedelta(seconds=ctx.instant() - began),
        )

    async def close(self, conversation: Conversation) -> None:
        """Take the chat's rows and its count away. Raises PlatformError."""
        tables = self._ctx.platform.tables
        await uncount(self._ctx, conversation)
        await tables.delete_session_rows(conversation.session_id)
        await tables.delete_mapping(conversation.thread)

    async def _queues(self, container_id: str, names: dict[str, str]) -> QueueSet:
        """The container's queue set and its tracking row; those that are there are used."""
        web = self._ctx.platform
        known = await web.queues.find(container_id)
        if known is not None and await web.tables.has_tracking(container_id):
            return known
        queues = await web.queues.create(container_id, {**names, "clientId": web.client_id})
        await web.tables.put_tracking(
            container_id,
            {
                **names,
                "clientProjectId": f"{web.client_id}-{names['projectId']}",
                "inputQueueUrl": queues.input_url,
                "outputQueueUrl": queues.output_url,
                "dlqQueueUrl": queues.dlq_url,
            },
        )
        return queues

    async def _start(
        self, container_id: str, session_id: str, thread: str, queues: QueueSet, names: dict[str, str]
    ) -> None:
        """Start the container's task and write its row, as its manager does (contract §5.2, §5.3)."""
        web = self._ctx.platform
        task = await web.tasks.run(
            container_id,
            environment={
                "INPUT_QUEUE_URL": queues.input_url,
                "OUTPUT_QUEUE_URL": queues.output_url,
                "DLQ_URL": queues.dlq_url,
                "CLIENT_ID": web.client_id,
                "PROJECT_ID": names["projectId"],
                "USER_ID": names["userId"],
                "CONTAINER_ID": container_id,
                "SESSION_ID": session_id,
                "THREAD_ID": thread,
                "WORKSPACE_PATH": f"/workspace/{web.client_id}/{names['projectId']}",
                "AUTO_SHUTDOWN_MINUTES": f"{web.settings.auto_shutdown / timedelta(minutes=1):g}",
                "AWS_REGION": web.settings.aws_region,
                **({"REPO_URL": web.settings.git_remote} if web.settings.git_remote else {}),
            },
            tags={
                "ContainerId": container_id,
                "ClientId": web.client_id,
                "ProjectId": names["projectId"],
                "UserId": names["userId"],
                "ManagedBy": "Hermes",
            },
        )
        await self._write_row(container_id, task, queues, names)

    async def _write_row(
        self, container_id: str, task: TaskView, queues: QueueSet, names: dict[str, str]
    ) -> None:
        """The container's row, `starting`; one that was there keeps its count and its first day."""
        web = self._ctx.platform
        earlier: ContainerRow | None = await web.tables.container(container_id)
        attributes: dict[str, object] = {
            **names,
            "taskArn": task.arn,
            "inputQueueUrl": queues.input_url,
            "outputQueueUrl": queues.output_url,
            "dlqUrl": queues.dlq_url,
            "sessionCount": earlier.session_count if earlier else 0,
        }
        if task.private_ip:
            attributes["containerIp"] = task.private_ip
        if earlier is not None and earlier.created_at is not None:
            attributes["createdAt"] = _milliseconds(earlier.created_at)
        await web.tables.put_container(container_id, status="starting", **attributes)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)

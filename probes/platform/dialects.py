"""What a deployment may do in one of several ways: the contract's first table, one enum a row."""

from enum import StrEnum


class RoutingDialect(StrEnum):
    """Who answers `/session/{id}`, and whether that id is a session's or a thread's."""

    PATH = "path"
    LAMBDA = "lambda"


class ActivateMode(StrEnum):
    """Whether activate answers at once or when the session is active."""

    ASYNC = "async"
    SYNC = "sync"


class SessionKey(StrEnum):
    """The sessions table's key; `auto` asks the table."""

    AUTO = "auto"
    SIMPLE = "simple"
    COMPOSITE = "composite"


class ContainerIdForm(StrEnum):
    """What a container's id is made of."""

    CLIENT_PROJECT_USER = "client-project-user"
    CLIENT_THREAD_USER = "client-thread-user"
    SESSION_ID = "session-id"


class TaskCountSource(StrEnum):
    """What "the number of edit tasks" means."""

    SERVICE = "service"
    CLUSTER = "cluster"
    BOTH = "both"


class WorkspaceLayout(StrEnum):
    """Where under the mount a workspace lies."""

    CLIENT_USER_PROJECT = "client/user/project"
    CLIENT_PROJECT_ID = "client/projectId"
    CLIENT_PROJECT = "client/project"


class FileCheck(StrEnum):
    """How a probe looks inside a workspace."""

    ECS_EXEC = "ecs-exec"
    HTTP_API = "http-api"
    GIT_REMOTE = "git-remote"
    EFS_MOUNT = "efs-mount"


class SessionFactory(StrEnum):
    """How a probe opens a multi-session chat."""

    HTTP = "http"
    DIRECT = "direct"
    EMAIL = "email"


class QueueCleanupOn(StrEnum):
    """When a queue set must be gone."""

    CONTAINER_TERMINATION = "container-termination"
    SESSION_CLOSE = "session-close"


class Autoscaling(StrEnum):
    """Whether the edit service's size follows the active sessions; `auto` goes by what it is seen to do."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class Environment(StrEnum):
    """Whether anyone else uses this deployment; only an isolated one may be broken on purpose."""

    SHARED = "shared"
    ISOLATED = "isolated"

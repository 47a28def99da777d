"""What a container answers on HTTP: health, its small API, the site, and the hot-reload socket."""

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.container.activity import Activity
from sandbox.container.commands import Executor
from sandbox.container.git import GitError, Workspace
from sandbox.container.launch import Launch
from sandbox.faults import Faults, amount
from sandbox.settings import SandboxSettings

VERSION = "1.0.0"
EXEC_SECONDS = 30.0
EXECUTE_FIELDS = ("instruction", "clientId", "userId", "threadId")
CORS = {"Access-Control-Allow-Origin": "*"}

Handler = Callable[[Request], Awaitable[Response]]


class Site:
    """The container's HTTP surface; `built` is set when the site can be shown."""

    def __init__(
        self,
        settings: SandboxSettings,
        launch: Launch,
        workspace: Workspace,
        executor: Executor,
        activity: Activity,
        faults: Faults,
    ) -> None:
        self._settings = settings
        self._launch = launch
        self._workspace = workspace
        self._executor = executor
        self._activity = activity
        self._faults = faults
        self.built = asyncio.Event()

    def app(self) -> Starlette:
        """The application; every route also answers below /session/{id}."""
        routes = [
            Route("/health", self.health),
            Route("/api/health", self.api_health),
            Route("/api/session/{session}", self.session),
            Route("/api/execute", self.execute, methods=["POST"]),
            Route("/api/files/exists", self.file_exists, methods=["POST"]),
            Route("/api/files", self.files),
            Route("/api/exec", self.run_command, methods=["POST"]),
            Route("/api/status", self.status),
            Route("/api/sessions", self.status),
            WebSocketRoute("/ws/hmr", self.hot_reload),
            WebSocketRoute("/_astro/hmr", self.hot_reload),
            Route("/{path:path}", self.page, methods=["GET", "HEAD"]),
        ]
        start = Route("/session/{session}", self.page, methods=["GET", "HEAD"])  # no redirect to a slash
        return Starlette(routes=[start, Mount("/session/{session}", routes=routes), *routes])

    async def health(self, request: Request) -> Response:
        body: dict[str, str] = {"status": "healthy", "timestamp": _now()}
        if self._settings.routing_dialect == "path":
            launch = self._launch
            body |= {"workspace": str(self._workspace.path), "client": launch.client}
            body |= {"user": launch.user, "thread": launch.thread or "not_set", "version": VERSION}
        else:
            body |= {"clientId": self._launch.client, "version": VERSION}
        return JSONResponse(body)

    async def api_health(self, request: Request) -> Response:
        return PlainTextResponse("OK", headers=CORS)

    async def status(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=CORS)

    async def session(self, request: Request) -> Response:
        return JSONResponse(
            {
                "sessionId": request.path_params["session"],
                "status": "active",
                "clientId": self._launch.client,
                "timestamp": _now(),
            },
            headers=CORS,
        )

    async def execute(self, request: Request) -> Response:
        """G2's placeholder does nothing; G1 edits."""
        given = await _object(request)
        if self._settings.routing_dialect == "lambda":
            return JSONResponse({"success": True, "message": "Instruction received", "timestamp": _now()})
        missing = [name for name in EXECUTE_FIELDS if not given.get(name)]
        if missing:
            return JSONResponse({"error": f"Missing required fields: {', '.join(missing)}"}, 400)
        thread = given["threadId"]
        branch = thread if thread.startswith("thread-") else f"thread-{thread}"
        try:
            with self._activity.busy():
                done = await self._executor.run(thread, branch, given["instruction"])
        except GitError as error:
            return JSONResponse({"success": False, "result": {"error": str(error)}}, headers=CORS)
        result = {"output": done.plan.summary, "filesChanged": [done.plan.file]}
        if done.error is not None:
            return JSONResponse({"success": False, "result": result | {"error": done.error}}, headers=CORS)
        return JSONResponse({"success": True, "result": result}, headers=CORS)

    async def files(self, request: Request) -> Response:
        if not request.headers.get("x-session-id"):
            return JSONResponse({"error": "Unknown session"}, 404)
        found = await asyncio.to_thread(_files, self._workspace.path)
        return JSONResponse({"files": found}, headers=CORS)

    async def file_exists(self, request: Request) -> Response:
        path = (await _object(request)).get("filePath")
        if not path:
            return JSONResponse({"error": "Missing required fields: filePath"}, 400)
        slow = self._faults.strikes("files-slow", client=self._launch.client)
        if slow is not None:
            await asyncio.sleep(self._settings.seconds(amount(slow)))
        exists = await asyncio.to_thread(self._local(path).exists)
        return JSONResponse({"exists": exists}, headers=CORS)

    async def run_command(self, request: Request) -> Response:
        command = (await _object(request)).get("command")
        if not command:
            return JSONResponse({"error": "Missing required fields: command"}, 400)
        with self._activity.busy():
            output, code = await self._shell(command)
        return JSONResponse({"output": output, "exitCode": code}, headers=CORS)

    async def hot_reload(self, socket: WebSocket) -> None:
        """Stays open until the browser leaves."""
        await socket.accept()
        self._activity.touch()
        try:
            while True:
                await socket.receive_text()
                self._activity.touch()
        except WebSocketDisconnect:
            return

    async def page(self, request: Request) -> Response:
        """A page of the site as it lies in the workspace."""
        self._activity.touch()
        asked = request.path_params.get("session") or self._launch.session or self._launch.container_id
        if not self.built.is_set():
            return _document(
                "Edit Session Starting", f"<p>Session {html.escape(asked)} is being prepared.</p>", 404
            )
        broken = self._faults.strikes("preview-broken", client=self._launch.client)
        if broken is not None:
            return _document(
                "Build failed", "<p>The site could not be built.</p>", int(amount(broken, "status"))
            )
        if self._faults.strikes("error-page-as-site", client=self._launch.client) is not None:
            return _document("500 Internal Server Error", "<p>The server met an error.</p>", 200)
        name = request.path_params.get("path", "").strip("/") or "index"
        text = await asyncio.to_thread(_page_source, self._workspace.path, name)
        if text is None:
            return _document("Not found", f"<p>No page {html.escape(name)}.</p>", 404)
        return _document(html.escape(self._launch.client), text, 200)

    def _local(self, given: str) -> Path:
        """A caller's path on this machine: /workspace is the mount, all else lies in the workspace."""
        if Path(given).parts[:2] == ("/", "workspace"):
            return self._settings.workspace_root.joinpath(*Path(given).parts[2:])
        return self._workspace.path / given.lstrip("/")

    async def _shell(self, command: str) -> tuple[str, int]:
        mounted = re.sub(r"(?<![\w./-])/workspace(?=/|\b)", str(self._settings.workspace_root), command)
        process = await asyncio.create_subprocess_shell(
            mounted,
            cwd=self._workspace.path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), EXEC_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            return "timed out", 124
        return output.decode(errors="replace"), process.returncode or 0


async def _object(request: Request) -> dict[str, str]:
    """The text fields of a JSON object; what is not there or not text is left out."""
    try:
        body = await request.json()
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    return {str(name): value for name, value in body.items() if isinstance(value, str)}


def _files(root: Path) -> list[str]:
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != ".git")


def _page_source(root: Path, name: str) -> str | None:
    pages = (root / "src" / "pages").resolve()
    file = (pages / f"{name}.astro").resolve()
    if not file.is_relative_to(pages) or not file.is_file():
        return None
    return file.read_text()


def _document(title: str, body: str, status: int) -> HTMLResponse:
    page = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>"
    return HTMLResponse(page, status)


def _now() -> str:
    return datetime.now(UTC).isoformat()

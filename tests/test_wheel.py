"""The wheel as a shop gets it: complete, and alive in a venv that holds nothing else."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "retarget_plugin"

# One worker for all of it: the venv is made once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("wheel")]

SETTINGS = """
SECRET_KEY = "only-for-this-test"
ALLOWED_HOSTS = ["*"]
STATIC_URL = "static/"
ROOT_URLCONF = "shop_urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"}}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "retarget_plugin",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
"""
URLS = """
from django.urls import include, path

urlpatterns = [path("retarget/", include("retarget_plugin.urls"))]
"""


def run(*command: object, cwd: Path, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    # The child sees neither the checkout nor the settings of the suite that runs it.
    ours = {"PYTHONPATH", "DJANGO_SETTINGS_MODULE", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in ours} | env
    result = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, env=environment)
    assert not check or result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def shop(wheel, tmp_path_factory) -> Path:
    """A folder with an empty project and a venv of its own that the wheel is installed in."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop_settings.py").write_text(SETTINGS)
    (folder / "shop_urls.py").write_text(URLS)
    uv = Path(sys.executable).parent / "uv"
    run(uv, "venv", "-q", "--python", sys.executable, folder / "venv", cwd=folder, UV_PYTHON_DOWNLOADS="never")
    install(uv, folder, wheel)
    return folder


def install(uv: Path, folder: Path, wheel: Path) -> None:
    command = (uv, "pip", "install", "-q", "--python", folder / "venv" / "bin" / "python")
    pinned = ("-c", ROOT / "constraints.txt", wheel)
    # uv's cache usually holds everything, and then no network is asked.
    if run(*command, "--offline", *pinned, cwd=folder, check=False).returncode == 0:
        return
    if run(*command, *pinned, cwd=folder, check=False).returncode == 0:
        return
    # No cache and no network: the wheel alone, its requirements borrowed from the suite's own venv. The checkout is
    # not borrowed with them, because a .pth file named in a .pth file is not followed.
    run(*command, "--offline", "--no-deps", wheel, cwd=folder)
    (site_packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))


def in_shop(shop: Path, *arguments: str) -> str:
    return run(shop / "venv" / "bin" / "python", *arguments, cwd=shop, DJANGO_SETTINGS_MODULE="shop_settings").stdout


def files(folder: Path, patterns: Iterable[str]) -> set[str]:
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def test_wheel_holds_the_whole_package_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = files(PACKAGE, ["*.py", "py.typed", "*.mo", "*.po", "*.toml"])
    shipped |= files(PACKAGE / "templates", ["*"]) | files(PACKAGE / "static", ["*"])

    assert {"retarget_plugin/py.typed", "retarget_plugin/migrations/0001_initial.py"} <= names
    assert shipped - names == set()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"retarget_plugin"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_every_catalog_is_shipped_compiled(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = files(PACKAGE / "locale", ["*.po"])

    assert {po.removesuffix(".po") + ".mo" for po in sources} <= names


def test_wheel_is_what_the_shop_imports(shop):
    home = in_shop(shop, "-c", "import retarget_plugin; print(retarget_plugin.__file__)")

    assert Path(home.strip()).is_relative_to(shop / "venv")


def test_installed_wheel_passes_check_and_migrates(shop):
    # Advice is welcome in a project without a single setting of ours; an error would end the command.
    in_shop(shop, "-m", "django", "check")
    in_shop(shop, "-m", "django", "migrate", "--verbosity", "0")
    planned = in_shop(shop, "-m", "django", "migrate", "--plan")

    assert "No planned migration operations" in planned


def test_installed_wheel_finds_its_templates(shop):
    names = sorted(files(PACKAGE / "templates", ["*.html"]))
    loaded = in_shop(
        shop,
        "-c",
        "import sys, django; django.setup()\n"
        "from django.template.loader import get_template\n"
        "for name in sys.argv[1:]: print(get_template(name.split('/templates/')[1]).origin.name)",
        *names,
    )

    assert names
    assert len(loaded.splitlines()) == len(names)
    assert all(Path(line).is_relative_to(shop / "venv") for line in loaded.splitlines())


def test_installed_wheel_answers_a_request(shop):
    answer = in_shop(
        shop,
        "-c",
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "response = Client(raise_request_exception=False).get('/retarget/recover/tampered/')\n"
        "print(response.status_code, response.content.decode())",
    )

    assert answer.startswith("404 ")
    assert "This link no longer works" in answer

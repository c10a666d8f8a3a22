"""`retarget_flows`: flows as files. Write them out, look them over, put them into use, turn them on and off."""

from __future__ import annotations

import json as json_format
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from retarget_plugin.domain import flow_files, flow_schema
from retarget_plugin.domain.flows import FlowError
from retarget_plugin.engine import flows
from retarget_plugin.engine.flows import Change, Inside
from retarget_plugin.exceptions import Refusal, TemplateError
from retarget_plugin.models import Flow, Shop
from retarget_plugin.models.clock import database_now

ENDINGS = (".yaml", ".yml", ".json")


class Command(BaseCommand):
    help = (
        "Flows as files. dump writes them, check looks files over without a database, load publishes what differs, "
        "enable and disable turn a flow on and off, schema prints the JSON Schema for an editor. Exits with 1 when "
        "anything is wrong; then nothing was loaded."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        dump = verbs.add_parser("dump", help="Print flows as YAML, or write a file each.")
        dump.add_argument("flows", nargs="*", metavar="FLOW", help="Keys of flows; all unless given.")
        dump.add_argument("--to", default="", help="A folder; one file a flow is written there.")
        check = verbs.add_parser("check", help="Look files over; the database is not asked.")
        load = verbs.add_parser("load", help="Publish what differs. A new flow is off.")
        for verb in (check, load):
            verb.add_argument("files", nargs="+", metavar="FILE", help="Files, folders, or - for the standard input.")
        load.add_argument(
            "--inside",
            choices=[choice.value for choice in Inside],
            default=Inside.FINISH.value,
            help="People inside finish on their version, move to the new one, or exit.",
        )
        load.add_argument("--dry-run", action="store_true", help="Only say what would change.")
        enable = verbs.add_parser("enable", help="Turn a flow on, when nothing stands in the way.")
        disable = verbs.add_parser("disable", help="Turn a flow off; everybody inside leaves.")
        for verb in (enable, disable):
            verb.add_argument("flow", metavar="FLOW", help="The flow's key.")
        verbs.add_parser("schema", help="Print the JSON Schema of a flow.")
        self._add_common(dump, load, enable, disable, with_json=(check, load))

    @staticmethod
    def _add_common(*of_a_shop: ArgumentParser, with_json: Iterable[ArgumentParser]) -> None:
        for verb in of_a_shop:
            verb.add_argument("--shop", type=int, help="The shop's id, where there are several.")
        for verb in with_json:
            verb.add_argument("--json", action="store_true", help="Print the result as one JSON object.")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        getattr(self, f"_{verb}")(**options)

    # -- files to flows ------------------------------------------------------------------------------------------------

    def _check(self, *, files: list[str], json: bool, **_: Any) -> None:
        found, problems = _read(files)
        advice: list[str] = []
        for name, data in found:
            wrong = _problems(name, data)
            problems += wrong
            # Of what is wrong, nothing more can be said.
            advice += [] if wrong else _advice(name, data)
        if json:
            slugs = [data["slug"] for _name, data in found]
            self.stdout.write(json_format.dumps({"flows": slugs, "problems": problems, "advice": advice}))
        else:
            for sentence in advice:
                self.stdout.write(f"To mend, {sentence}")
        _refuse(problems)
        if not json:
            self.stdout.write(f"{len(found)} flows, nothing wrong.")

    def _load(self, *, files: list[str], shop: int | None, inside: str, dry_run: bool, json: bool, **_: Any) -> None:
        found, problems = _read(files)
        for name, data in found:
            problems += _problems(name, data)
        self._stop(problems, json=json, dry_run=dry_run)
        one, now = _shop(shop), database_now()
        changes = []
        with transaction.atomic():
            for name, data in found:
                try:
                    changes.append(
                        flows.compare(one, data, now=now) if dry_run else flows.load(one, data, inside=inside, now=now)
                    )
                except FlowError as error:
                    # What only this shop can tell, such as a coupon that it would not honor.
                    problems += [f"{name}: {data['slug']}: {problem}" for problem in error.problems]
            if problems:
                transaction.set_rollback(True)
        self._stop(problems, json=json, dry_run=dry_run)
        if json:
            told = [
                {"flow": c.slug, "is_new": c.is_new, "differences": c.differences, "inside": c.inside} for c in changes
            ]
            self.stdout.write(json_format.dumps({"flows": told, "dry_run": dry_run, "problems": []}))
            return
        for change in changes:
            self.stdout.write(_words(change, inside=inside, dry_run=dry_run))

    def _stop(self, problems: list[str], *, json: bool, dry_run: bool) -> None:
        if problems and json:
            self.stdout.write(json_format.dumps({"flows": [], "dry_run": dry_run, "problems": problems}))
        _refuse(problems)

    # -- flows to files ------------------------------------------------------------------------------------------------

    def _dump(self, *, flows: list[str], to: str, shop: int | None, **_: Any) -> None:
        rows = [_flow(_shop(shop), slug) for slug in flows] or list(_published(_shop(shop)))
        texts = {row.slug: flow_files.write(_dumped(row)) for row in rows}
        if not to:
            self.stdout.write("---\n".join(texts.values()), ending="")
            return
        folder = Path(to)
        folder.mkdir(parents=True, exist_ok=True)
        for slug, text in texts.items():
            path = folder / f"{slug}.yaml"
            path.write_text(text, "utf-8")
            self.stdout.write(str(path))

    def _schema(self, **_: Any) -> None:
        self.stdout.write(json_format.dumps(flow_schema.schema(), indent=2, ensure_ascii=False))

    # -- on and off ----------------------------------------------------------------------------------------------------

    def _enable(self, *, flow: str, shop: int | None, **_: Any) -> None:
        try:
            flows.turn_on(_flow(_shop(shop), flow), now=database_now())
        except Refusal as refusal:
            raise CommandError(f"{flow} is not ready: {refusal}") from refusal
        self.stdout.write(f"{flow} is on.")

    def _disable(self, *, flow: str, shop: int | None, **_: Any) -> None:
        flows.turn_off(_flow(_shop(shop), flow), now=database_now())
        self.stdout.write(f"{flow} is off.")


def _refuse(problems: list[str]) -> None:
    if problems:
        raise CommandError("\n".join([*problems, f"Problems: {len(problems)}. Nothing was loaded."]))


def _read(files: list[str]) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """(file, flow) of everything that can be read, and a sentence for everything that cannot."""
    found: list[tuple[str, dict[str, Any]]] = []
    problems = []
    for name, text in _texts(files):
        try:
            found += [(name, data) for data in flow_files.read(text)]
        except FlowError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
    slugs = [data["slug"] for _name, data in found]
    for name, data in found:
        if slugs.count(data["slug"]) > 1:
            problems.append(f"{name}: the flow {data['slug']!r} is in more than one place.")
    return found, problems


def _texts(files: list[str]) -> Iterator[tuple[str, str]]:
    for name in files:
        if name == "-":
            yield "standard input", sys.stdin.read()
            continue
        path = Path(name)
        paths = sorted(one for one in path.iterdir() if one.suffix in ENDINGS) if path.is_dir() else [path]
        if not paths:
            raise CommandError(f"{name}: there is no flow in this folder.")
        for one in paths:
            try:
                yield str(one), one.read_text("utf-8")
            except (OSError, UnicodeError) as error:
                raise CommandError(f"{one} cannot be read: {error}.") from error


def _problems(name: str, data: Mapping[str, Any]) -> list[str]:
    where = f"{name}: {data['slug']}"
    try:
        flows.check(*flow_files.parts(data))
    except FlowError as error:
        return [f"{where}: {problem}" for problem in error.problems]
    except TemplateError as error:
        return [f"{where}: {error}"]
    return []


def _advice(name: str, data: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {data['slug']}: {sentence}" for sentence in flows.advice(*flow_files.parts(data))]


def _words(change: Change, *, inside: str, dry_run: bool) -> str:
    if change.is_new:
        return f"{change.slug}: {'would be new' if dry_run else 'new'}, and off."
    if not change.differences:
        return f"{change.slug}: unchanged."
    told = f"{change.slug}: {'would be published' if dry_run else 'published'}; {'; '.join(change.differences)}."
    words = {"finish": "finish on their version", "move": "move to the new one", "exit": "leave"}
    return f"{told} {change.inside} people inside {words[inside]}." if change.inside else told


def _dumped(row: Flow) -> dict[str, Any]:
    try:
        return flows.dump(row)
    except FlowError as error:
        raise CommandError(f"{row.slug} cannot be written out: {error}") from error


def _published(shop: Shop) -> Iterator[Flow]:
    yield from Flow.objects.filter(shop=shop, version__isnull=False).select_related("version").order_by("slug")


def _flow(shop: Shop, slug: str) -> Flow:
    row = Flow.objects.filter(shop=shop, slug=slug).select_related("version", "shop").first()
    if row is None or row.version is None:
        raise CommandError(f"{shop} has no flow {slug!r}.")
    return row


def _shop(key: int | None) -> Shop:
    shops = list(Shop.objects.filter(pk=key) if key else Shop.objects.all()[:2])
    if not shops:
        raise CommandError("There is no such shop.")
    if len(shops) > 1:
        raise CommandError("There are several shops; say which with --shop.")
    return shops[0]

"""The entry point: a command's module is imported only when that command is used.

Starting must stay under 0.3 s, so nothing here (nor in `list`) imports numpy, rich or torch.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import click

from wmeval.errors import UsageError, WmevalError

# name -> (module with a click command `command`, the line of `wmeval --help`)
COMMANDS = {
    "run": ("wmeval.cli.run", "Ask a model the questions of a suite and write a report."),
    "list": ("wmeval.cli.list", "List what is installed: models, probes, suites, metrics, ..."),
    "describe": ("wmeval.cli.describe", "Tell what one model, probe, suite or metric is."),
    "doctor": ("wmeval.cli.doctor", "Check that this machine can make trustworthy numbers."),
    "status": ("wmeval.cli.status", "Tell how far a run has come."),
    "score": ("wmeval.cli.score", "Score a run again from what it stored; generates nothing."),
    "report": ("wmeval.cli.report", "Print a run's table and write its report.html again."),
    "view": ("wmeval.cli.view", "Open a run's report in the browser."),
    "compare": ("wmeval.cli.compare", "Compare runs, paired on the scenes that they share."),
    "utility": ("wmeval.cli.utility", "Set fidelity and physics of models against their planning skill."),
    "power": ("wmeval.cli.power", "Tell what differences a run can show, and how many cases others need."),
    "hns": ("wmeval.cli.hns", "Score runs on Atari 100k against humans and published agents."),
    "data": ("wmeval.cli.data", "Make and export data to train on."),
    "export": ("wmeval.cli.export", "Write a suite's questions as files, for a model that cannot be called."),
    "train": ("wmeval.cli.train", "Train one of the models or feature extractors that are shipped."),
    "serve-model": ("wmeval.cli.serve_model", "Serve a model to `run --model remote` elsewhere."),
    "new": ("wmeval.cli.new", "Write a probe or an adapter of your own to start from."),
    "check": ("wmeval.cli.check", "Check a probe, an adapter, or the answers to a pack."),
    "calibrate": ("wmeval.cli.calibrate", "Measure what skill 0 and 1 mean for a suite's probes."),
}
PLUGINS = "wmeval.commands"


class LazyGroup(click.Group):
    """A group that knows its commands' names and help lines without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the built-in names in the order of use, then those of plugins."""
        return [*COMMANDS, *sorted(set(_plugins()) - set(COMMANDS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing its module now; None for an unknown name."""
        if cmd_name in COMMANDS:
            command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
            return command
        plugin = _plugins().get(cmd_name)
        if plugin is None:
            return None
        try:
            loaded: click.Command = plugin.load()
        except Exception as fault:
            raise UsageError(
                f"the command {cmd_name!r} of {_from(plugin)} cannot be imported from {plugin.value}: "
                f"{type(fault).__name__}: {fault}; reinstall or uninstall that package"
            ) from fault
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return what click resolves; an unknown name is answered with the nearest one."""
        # a built-in name comes first: reading which plugins are installed takes 0.05 s
        if args and not args[0].startswith("-") and args[0] not in COMMANDS and args[0] not in _plugins():
            known = self.list_commands(ctx)
            near = difflib.get_close_matches(args[0], known, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`wmeval --help` shows all"
            raise click.UsageError(f"no command is called {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help lines from the table, so that `--help` imports no command."""
        rows = [(name, line) for name, (_, line) in COMMANDS.items()]
        rows += [
            (name, f"From {_from(p)}.") for name, p in sorted(_plugins().items()) if name not in COMMANDS
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@cache
def _plugins() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {e.name: e for e in entry_points(group=PLUGINS)}


def _from(plugin: Any) -> str:
    return f"the package {plugin.dist.name}" if plugin.dist else plugin.value


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="wmeval")
def cli() -> None:
    """Measure a world model: does it understand physics, and can you plan with it?

    Start with `wmeval doctor`, then `wmeval run --model genie`.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 complete; 1 complete but failures above the threshold; 2 usage; 3 environment; 130 interrupted.
    A mistake is told in one sentence on stderr; only a bug shows a traceback.
    """
    try:
        outcome = cli.main(args=argv, prog_name="wmeval", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message())
        return 2
    except click.ClickException as mistake:
        context = getattr(mistake, "ctx", None)
        where = f" (`{context.command_path} --help`)" if context else ""
        return _tell(f"{_sentence(mistake)}{where}", 2)
    except WmevalError as mistake:
        return _tell(str(mistake), mistake.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _tell("interrupted; the same command continues where it stopped", 130)
    except BrokenPipeError:  # the reader of a pipe (`| head`) has had enough, which is no mistake
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as fault:
        if fault.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        return _tell(
            f"{fault.strerror}: {fault.filename or 'the output folder'}; `--out DIR` writes elsewhere", 3
        )
    return int(outcome or 0)


def _sentence(mistake: click.ClickException) -> str:
    text = " ".join(mistake.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _tell(sentence: str, code: int) -> int:
    click.echo(f"wmeval: {sentence}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())

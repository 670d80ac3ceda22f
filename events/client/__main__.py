"""`python -m events.client`: follows streams. Events go to stdout as JSON lines, everything else to stderr."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys

import orjson

from events.client.address import DEFAULT_URL
from events.client.connection import EventClient
from events.client.frames import EventClientError

EPILOG = """
Exit status: 0 when all streams have ended (tail --until-end) or their history is complete (history), 1 when the
platform refuses the request, 2 for an invalid command, 130 when interrupted. Pass the token in the environment: other
users of this machine can read command lines.
"""


def main(words: list[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    options = _parser().parse_args(words)
    try:
        asyncio.run(_run(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of the pipe has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (EventClientError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m events.client", description=__doc__, epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    tail = commands.add_parser("tail", help="past events, then new ones as they happen", epilog=EPILOG)
    history = commands.add_parser("history", help="past events", epilog=EPILOG)
    for command in (tail, history):
        command.add_argument("stream", nargs="+", help="execution:<id>, workflow:<id>, executions, system, replay:<id>")
        command.add_argument(
            "--after",
            type=int,
            default=0,
            metavar="N",
            help="events after this sequence number; -100: the last 100 (default: 0)",
        )
        command.add_argument(
            "--types", metavar="PATTERNS", help="comma-separated patterns: execution.node_*,execution.log"
        )
        command.add_argument(
            "--level", choices=["lifecycle", "all"], help="lifecycle leaves out the events of nodes (default: all)"
        )
        command.add_argument("--url", help=f"URL of the platform (default: WORKFLOW_PLATFORM_URL, else {DEFAULT_URL})")
        command.add_argument("--token", help="API token (default: WORKFLOW_PLATFORM_TOKEN)")
    tail.add_argument(
        "--until-end", action="store_true", help="exit when all streams have ended, instead of when interrupted"
    )
    return parser


async def _run(options: argparse.Namespace) -> None:
    client = EventClient(options.url, token=options.token)
    telling = asyncio.create_task(_tell_states(client))
    try:
        async with client:
            await _print_all(client, options)
            if options.command == "tail" and not options.until_end:
                await telling
    except* (EventClientError, BrokenPipeError) as errors:
        raise _first(errors) from None
    finally:
        await telling
    if client.failure is not None:
        raise client.failure


async def _print_all(client: EventClient, options: argparse.Namespace) -> None:
    async with asyncio.TaskGroup() as group:
        for stream in dict.fromkeys(options.stream):
            group.create_task(_print(client, stream, options))


def _first(errors: BaseException) -> BaseException:
    return _first(errors.exceptions[0]) if isinstance(errors, BaseExceptionGroup) else errors


async def _print(client: EventClient, stream: str, options: argparse.Namespace) -> None:
    types = options.types.split(",") if options.types else None
    follow = options.command == "tail"
    async for event in client.tail(stream, after=options.after, types=types, level=options.level, follow=follow):
        sys.stdout.buffer.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()


async def _tell_states(client: EventClient) -> None:
    async with contextlib.aclosing(client.states()) as states:
        async for state in states:
            print(state, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

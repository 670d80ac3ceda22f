"""`python -m events.client`: streams on the command line, one JSON envelope a line on stdout, all else on stderr."""

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
The exit status is 0 when all streams have ended (tail --until-end) or their history is told (history), 1 when the
platform refuses, 2 for a wrong command, 130 when interrupted. The token is better given in the environment: others on
this machine see command lines.
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
    tail = commands.add_parser("tail", help="what there is, and what comes", epilog=EPILOG)
    history = commands.add_parser("history", help="what there is", epilog=EPILOG)
    for command in (tail, history):
        command.add_argument("stream", nargs="+", help="execution:<id>, workflow:<id>, executions, system, replay:<id>")
        command.add_argument("--after", type=int, default=0, metavar="N", help="the cursor; -100: the last 100 (0)")
        command.add_argument("--types", metavar="PATTERNS", help="with commas between: execution.node_*,execution.log")
        command.add_argument("--level", choices=["lifecycle", "all"], help="lifecycle: not what nodes do")
        command.add_argument("--url", help=f"the platform, else WORKFLOW_PLATFORM_URL ({DEFAULT_URL})")
        command.add_argument("--token", help="else WORKFLOW_PLATFORM_TOKEN")
    tail.add_argument(
        "--until-end", action="store_true", help="stop when all streams have ended; else when interrupted"
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

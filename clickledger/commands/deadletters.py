"""`clickledger deadletters list|replay`: events the writer could not store, looked at and put back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clickledger.commands.options import DataDirOption, JsonOption, console
from clickledger.errors import StartError

if TYPE_CHECKING:
    import asyncpg

    from flusher.dead_letters import DeadLetter
    from schema.redis_client import RedisClient
    from schema.settings import Settings

NumbersArgument = Annotated[
    list[int] | None, typer.Argument(help="Numbers of dead letters.", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="Every letter not replayed yet.")]
LimitOption = Annotated[int, typer.Option(min=1, help="How many at most.")]
ReplayedOption = Annotated[bool, typer.Option("--replayed", help="Also those replayed already.")]

group = typer.Typer(no_args_is_help=True, help="Events that could not be stored.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="deadletters")


@group.command(name="list")
def list_(
    limit: LimitOption = 100,
    replayed: ReplayedOption = False,
    json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """List dead letters, oldest first."""
    from clickledger.servers import settings_for

    settings = settings_for(needs_database=True, data_dir=data_dir)
    for letter in asyncio.run(_read(settings, limit, is_with_replayed=replayed)):
        _show(letter, is_json=json)


@group.command()
def replay(numbers: NumbersArgument = None, all_: AllOption = False, data_dir: DataDirOption = None) -> None:
    """Put dead letters back on their streams: the numbered ones, or all not replayed yet."""
    from clickledger.servers import settings_for

    if bool(numbers) == all_:
        raise StartError("Name the dead letters by number, or say --all.")
    settings = settings_for(needs_database=True, needs_redis=True, data_dir=data_dir)
    count, missing = asyncio.run(_replay(settings, numbers or []))
    console().print(f"{count:,} put back on their streams.")
    if missing:
        console().print(f"There is no dead letter {', '.join(map(str, missing))}.")
        raise typer.Exit(1)


async def _read(settings: Settings, limit: int, *, is_with_replayed: bool) -> list[DeadLetter]:
    from flusher.dead_letters import PAGE_MAX, list_letters

    letters: list[DeadLetter] = []
    async with await _pool(settings) as pool:
        while len(letters) < limit:
            after = letters[-1].dead_letter_id if letters else 0
            wanted = min(PAGE_MAX, limit - len(letters))
            page = await list_letters(pool, after=after, limit=wanted, is_with_replayed=is_with_replayed)
            letters += page
            if len(page) < wanted:
                break
    return letters


async def _replay(settings: Settings, numbers: list[int]) -> tuple[int, list[int]]:
    """How many were put back, and which numbers do not exist. No numbers means all."""
    from flusher.dead_letters import get_letters
    from flusher.dead_letters import replay as put_back
    from schema.redis_client import connect_redis

    assert settings.redis_url is not None
    redis = connect_redis(settings.redis_url)
    try:
        async with await _pool(settings) as pool:
            if not numbers:
                return await _replay_all(pool, redis), []
            found = await get_letters(pool, numbers)
            missing = sorted(set(numbers) - {letter.dead_letter_id for letter in found})
            return await put_back(pool, redis, found), missing
    finally:
        await redis.aclose()


async def _replay_all(pool: asyncpg.Pool, redis: RedisClient) -> int:
    from flusher.dead_letters import list_letters
    from flusher.dead_letters import replay as put_back
    from schema.queries import load_queries

    count = after = 0
    # one that fails again comes back under a higher number: the newest of now keeps this from going round for ever
    newest = await pool.fetchval(load_queries("clickledger")["newest_dead_letter"])
    while page := [row for row in await list_letters(pool, after=after) if row.dead_letter_id <= newest]:
        count += await put_back(pool, redis, page)
        after = page[-1].dead_letter_id
    return count


async def _pool(settings: Settings) -> asyncpg.Pool:
    from schema.postgres import connect_pool

    assert settings.database_url is not None
    return await connect_pool(settings.database_url, "deadletters", connections_max=1)


def _show(letter: DeadLetter, *, is_json: bool) -> None:
    import orjson

    row: dict[str, Any] = letter._asdict() | {"payload": letter.payload.decode(errors="replace")}
    if is_json:
        typer.echo(orjson.dumps(row).decode())
        return
    state = "replayed" if letter.replayed_at else "waiting"
    detail = f": {letter.detail}" if letter.detail else ""
    console().print(
        f"{letter.dead_letter_id:>8}  {letter.created_at:%Y-%m-%d %H:%M:%S}  {state:<8}  {letter.stream} "
        f"{letter.entry_id}/{letter.position}  {letter.reason}{detail}"
    )

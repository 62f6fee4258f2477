"""Runs the lifecycle through SQLAlchemy's ORM, as an application would: one session and one commit per step,
arithmetic in Decimal. Each client is a process. Prints one line per lifecycle: client, number of the
lifecycle, microseconds."""

import argparse
import decimal
import multiprocessing
import time
import uuid
from datetime import datetime, timezone
from decimal import Decimal

import psycopg
from sqlalchemy import Enum, ForeignKey, Numeric, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

MONEY = Numeric(10, 2)
CENT = Decimal("0.01")
FILLS = [(40, Decimal("150.20"), Decimal("0.40")), (60, Decimal("150.25"), Decimal("0.60"))]


def enum(name, *labels):
    return Enum(*labels, name=name, create_type=False)


ORDER_TYPE = enum("order_type_enum", "MARKET", "LIMIT", "STOP")
STATUS = enum("order_status_enum", "PENDING", "FILLED", "PARTIAL", "REJECTED", "CANCELLED")
ACTION = enum(
    "action_enum", "SUBMITTED", "APPROVED", "EXECUTED", "FILLED", "REJECTED", "CANCELLED", "RECOVERED"
)


def now():
    return datetime.now(timezone.utc)


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    trader_id: Mapped[uuid.UUID]
    symbol: Mapped[str] = mapped_column(String(10))
    quantity: Mapped[int]
    order_type: Mapped[str] = mapped_column(ORDER_TYPE)
    price: Mapped[Decimal | None] = mapped_column(MONEY)
    status: Mapped[str] = mapped_column(STATUS, default="PENDING")
    filled_quantity: Mapped[int] = mapped_column(default=0)
    average_fill_price: Mapped[Decimal | None] = mapped_column(MONEY)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Fill(Base):
    __tablename__ = "fills"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    timestamp: Mapped[datetime] = mapped_column(default=now)
    quantity_filled: Mapped[int]
    price_at_fill: Mapped[Decimal] = mapped_column(MONEY)
    venue: Mapped[str] = mapped_column(String(50))
    commission: Mapped[Decimal] = mapped_column(MONEY)


class ExecutionLog(Base):
    __tablename__ = "execution_logs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    trader_id: Mapped[uuid.UUID]
    action: Mapped[str] = mapped_column(ACTION)
    status: Mapped[str | None] = mapped_column(STATUS)


def log(session, order, action):
    session.add(
        ExecutionLog(
            order_id=order.id, trader_id=order.trader_id, action=action, status=order.status
        )
    )


def lifecycle(engine, trader):
    with Session(engine) as session:
        order = Order(
            trader_id=trader, symbol="AAPL", quantity=100, order_type="LIMIT", price=Decimal("150.25")
        )
        session.add(order)
        session.flush()
        log(session, order, "SUBMITTED")
        order_id = order.id
        session.commit()
    with Session(engine) as session:
        order = session.get_one(Order, order_id, with_for_update=True)
        # The base schema has no status for a routed order: it stays PENDING.
        order.updated_at = now()
        log(session, order, "EXECUTED")
        session.commit()
    for quantity, price, commission in FILLS:
        with Session(engine) as session:
            order = session.get_one(Order, order_id, with_for_update=True)
            session.add(
                Fill(
                    order_id=order_id,
                    quantity_filled=quantity,
                    price_at_fill=price,
                    venue="XNAS",
                    commission=commission,
                )
            )
            before = (order.average_fill_price or Decimal(0)) * order.filled_quantity
            order.filled_quantity += quantity
            average = (before + quantity * price) / order.filled_quantity
            order.average_fill_price = average.quantize(CENT, decimal.ROUND_HALF_UP)
            order.status = "FILLED" if order.filled_quantity == order.quantity else "PARTIAL"
            order.updated_at = now()
            log(session, order, "FILLED")
            session.commit()


def work(client, options):
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(options.url), pool_size=1
    )
    trader = uuid.UUID(int=client + 1)
    try:
        for _ in range(options.warm_up):
            lifecycle(engine, trader)
    except BaseException:
        options.barrier.abort()
        raise
    options.barrier.wait()
    begun, taken = time.perf_counter(), []
    while (
        len(taken) < options.transactions
        if options.time is None
        else time.perf_counter() - begun < options.time
    ):
        started = time.perf_counter()
        lifecycle(engine, trader)
        taken.append(time.perf_counter() - started)
    return taken


def start(options):
    # Runs when a process starts: a barrier can't be sent to it later.
    global given
    given = options


def of_client(client):
    return work(client, given)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", type=int, required=True)
    parser.add_argument("--warm-up", type=int, default=0)
    extent = parser.add_mutually_exclusive_group(required=True)
    extent.add_argument("--time", type=float)
    extent.add_argument("--transactions", type=int)
    parser.add_argument("url")
    options = parser.parse_args()

    context = multiprocessing.get_context("fork")
    options.barrier = context.Barrier(options.client)
    with context.Pool(options.client, start, [options]) as pool:
        for client, taken in enumerate(pool.map(of_client, range(options.client), chunksize=1)):
            seconds = [0] * options.warm_up + taken
            for number, each in enumerate(seconds):
                print(client, number, round(each * 1e6))


main()

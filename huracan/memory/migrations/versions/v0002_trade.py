"""Trading: accounts with their lease, intents, orders with events and fills, double-entry ledger, locks and states.

What Python asserts before writing is held here again: an order's sums are those of its fills, its events have no gap,
what was sent or booked never changes, the accounts of an asset sum to zero, and a stale lease epoch writes nothing.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TYPE order_status AS ENUM ('SUBMITTED', 'UNKNOWN', 'ACCEPTED', 'PARTIALLY_FILLED', 'PENDING_CANCEL',
    'FILLED', 'EXPIRED', 'CANCELED', 'REJECTED', 'NEVER_SENT')""",
    """CREATE TYPE order_trigger AS ENUM ('SUBMIT', 'LOSE', 'ACCEPT', 'FILL_PART', 'FILL_ALL', 'CANCEL_SENT',
    'CANCEL_REFUSED', 'CANCEL', 'EXPIRE', 'REJECT', 'ABANDON')""",
    "CREATE TYPE order_side AS ENUM ('BUY', 'SELL')",
    "CREATE TYPE order_kind AS ENUM ('FOK', 'IOC', 'POST_ONLY', 'MARKET', 'LIMIT', 'STOP')",
    "CREATE TYPE intent_kind AS ENUM ('ENTER', 'PROTECT', 'EXIT', 'FLATTEN')",
    "CREATE TYPE intent_status AS ENUM ('OPEN', 'DONE', 'DENIED', 'GIVEN_UP')",
    "CREATE TYPE ledger_account AS ENUM ('FREE', 'LOCKED', 'VENUE', 'FEES', 'EXTERNAL')",
    # -- who may write ---------------------------------------------------------------------------------------------
    """CREATE TABLE accounts (
        account_no smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL UNIQUE CHECK (name <> '')
    )""",
    """CREATE TABLE leases (
        epoch bigint NOT NULL CHECK (epoch > 0),
        expires_at timestamptz NOT NULL,
        account_no smallint PRIMARY KEY REFERENCES accounts,
        released boolean NOT NULL DEFAULT false,
        holder text NOT NULL
    )""",
    """CREATE FUNCTION check_epoch(given_account smallint, given_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM 1 FROM leases WHERE account_no = given_account AND epoch = given_epoch AND NOT released FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'epoch % is over', given_epoch USING ERRCODE = 'HU001';
        END IF;
    END $$""",
    """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of % is refused: its rows never change', TG_OP, TG_TABLE_NAME;
    END $$""",
    # -- intents and orders ----------------------------------------------------------------------------------------
    """CREATE TABLE markets (
        market_no smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account_no smallint NOT NULL REFERENCES accounts,
        symbol text NOT NULL CHECK (symbol <> ''),
        UNIQUE (account_no, symbol)
    )""",
    """CREATE TABLE intents (
        candle_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        intent_id bigint PRIMARY KEY,
        confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
        kind intent_kind NOT NULL,
        status intent_status NOT NULL,
        side order_side NOT NULL,
        market_no smallint NOT NULL REFERENCES markets,
        action smallint CHECK (action BETWEEN 0 AND 5),
        regime smallint NOT NULL,
        quantity numeric CHECK (quantity > 0 AND quantity < 'Infinity'),
        reason text NOT NULL,
        policy text NOT NULL,
        code text NOT NULL,
        state bytea NOT NULL CHECK (octet_length(state) IN (0, 320)),
        CONSTRAINT intents_key UNIQUE (market_no, candle_at, kind)
    ) WITH (fillfactor = 90)""",
    """CREATE TABLE orders (
        created_at timestamptz NOT NULL,
        sent_at timestamptz,
        updated_at timestamptz NOT NULL,
        intent_id bigint NOT NULL REFERENCES intents,
        order_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        child integer NOT NULL CHECK (child >= 0),
        list_child integer CHECK (list_child >= 0),
        kind order_kind NOT NULL,
        status order_status NOT NULL,
        seq smallint NOT NULL CHECK (seq > 0),
        quantity numeric NOT NULL CHECK (quantity > 0 AND quantity < 'Infinity'),
        price numeric CHECK (price > 0 AND price < 'Infinity'),
        stop_price numeric CHECK (stop_price > 0 AND stop_price < 'Infinity'),
        filled numeric NOT NULL CHECK (filled >= 0),
        cost numeric NOT NULL,
        venue_filled numeric NOT NULL CHECK (venue_filled >= 0),
        venue_id text,
        reason text NOT NULL,
        CONSTRAINT orders_key UNIQUE (intent_id, child),
        CONSTRAINT orders_prices CHECK (
            (price IS NULL) = (kind IN ('MARKET', 'STOP')) AND (stop_price IS NULL) = (kind <> 'STOP')
        ),
        CONSTRAINT orders_figures CHECK ((cost > 0) = (filled > 0) AND (filled >= quantity) = (status = 'FILLED')),
        CONSTRAINT orders_never_sent CHECK (status <> 'NEVER_SENT' OR sent_at IS NULL)
    ) WITH (fillfactor = 90)""",
    """CREATE VIEW order_names AS SELECT
        o.order_no, o.child, o.list_child, i.intent_id, m.account_no, m.symbol, i.side,
        lpad(to_hex(i.intent_id), 16, '0') AS intent_name,
        'h' || lpad(to_hex(i.intent_id), 16, '0') || '-' || o.child AS cid,
        'h' || lpad(to_hex(i.intent_id), 16, '0') || '-' || o.list_child AS list_cid
        FROM orders o JOIN intents i USING (intent_id) JOIN markets m USING (market_no)""",
    """CREATE TABLE fills (
        at timestamptz NOT NULL,
        fill_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        order_no integer REFERENCES orders,
        side order_side NOT NULL,
        market_no smallint NOT NULL REFERENCES markets,
        maker boolean NOT NULL,
        trade_id text NOT NULL,
        quantity numeric NOT NULL CHECK (quantity > 0 AND quantity < 'Infinity'),
        price numeric NOT NULL CHECK (price > 0 AND price < 'Infinity'),
        commission numeric NOT NULL CHECK (commission > '-Infinity' AND commission < 'Infinity'),
        commission_asset text NOT NULL,
        CONSTRAINT fills_key UNIQUE (market_no, trade_id)
    )""",
    """CREATE TABLE order_events (
        at timestamptz NOT NULL,
        order_no integer NOT NULL REFERENCES orders,
        fill_no integer REFERENCES fills,
        trigger order_trigger NOT NULL,
        seq smallint NOT NULL CHECK (seq > 1),
        venue_filled numeric,
        venue_id text,
        reason text,
        PRIMARY KEY (order_no, seq),
        CHECK ((trigger IN ('FILL_PART', 'FILL_ALL')) = (fill_no IS NOT NULL))
    )""",
    """CREATE FUNCTION keep_order() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.order_no, NEW.intent_id, NEW.child, NEW.list_child, NEW.kind, NEW.quantity, NEW.price, NEW.stop_price,
            NEW.created_at)
            IS DISTINCT FROM (OLD.order_no, OLD.intent_id, OLD.child, OLD.list_child, OLD.kind, OLD.quantity, OLD.price,
            OLD.stop_price, OLD.created_at) THEN
            RAISE EXCEPTION 'order %: what was sent never changes', OLD.order_no;
        END IF;
        IF NEW.filled < OLD.filled OR NEW.cost < OLD.cost OR NEW.seq < OLD.seq OR NEW.venue_filled < OLD.venue_filled
            OR (OLD.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at) THEN
            RAISE EXCEPTION 'order %: fills, events and the time of sending never go back', OLD.order_no;
        END IF;
        RETURN NEW;
    END $$""",
    "CREATE TRIGGER orders_keep BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION keep_order()",
    # Events lead to fills by their key, so the sums need no index of fills by order.
    """CREATE FUNCTION check_order_sums() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        number integer := NEW.order_no;
        found orders;
        quantities numeric;
        costs numeric;
        events bigint;
        last smallint;
    BEGIN
        IF number IS NULL THEN
            RETURN NULL;
        END IF;
        SELECT * INTO STRICT found FROM orders WHERE order_no = number;
        SELECT coalesce(sum(f.quantity), 0), coalesce(sum(f.quantity * f.price), 0), 1 + count(*),
            coalesce(max(e.seq), 1) INTO quantities, costs, events, last
            FROM order_events e LEFT JOIN fills f ON f.fill_no = e.fill_no AND f.order_no = e.order_no
            WHERE e.order_no = number;
        IF found.filled <> quantities OR found.cost <> costs THEN
            RAISE EXCEPTION 'order %: % filled at a cost of %, its fills sum to % and %',
                number, found.filled, found.cost, quantities, costs;
        END IF;
        IF events <> found.seq OR last <> found.seq THEN
            RAISE EXCEPTION 'order %: % events up to %, its seq is %', number, events, last, found.seq;
        END IF;
        IF TG_TABLE_NAME = 'fills' AND NOT EXISTS (
            SELECT 1 FROM order_events WHERE order_no = number AND fill_no = (to_jsonb(NEW) ->> 'fill_no')::integer
        ) THEN
            RAISE EXCEPTION 'order %: a fill without an event', number;
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE CONSTRAINT TRIGGER orders_sums AFTER INSERT OR UPDATE OF filled, cost, seq ON orders
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_order_sums()""",
    """CREATE CONSTRAINT TRIGGER fills_sums AFTER INSERT ON fills DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION check_order_sums()""",
    """CREATE CONSTRAINT TRIGGER order_events_sums AFTER INSERT ON order_events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION check_order_sums()""",
    # -- money -----------------------------------------------------------------------------------------------------
    # An entry of a fill happened when the fill did; numbered for its order, which nobody looks up by number.
    """CREATE TABLE ledger (
        at timestamptz,
        entry_no integer GENERATED ALWAYS AS IDENTITY,
        fill_no integer REFERENCES fills,
        order_no integer REFERENCES orders,
        source ledger_account NOT NULL,
        target ledger_account NOT NULL,
        account_no smallint NOT NULL REFERENCES accounts,
        asset text NOT NULL,
        amount numeric NOT NULL CHECK (amount > 0 AND amount < 'Infinity'),
        reason text,
        CHECK (source <> target),
        CHECK ((source = 'EXTERNAL' OR target = 'EXTERNAL') = (reason IS NOT NULL)),
        CHECK (num_nonnulls(fill_no, order_no, reason) = 1),
        CHECK ((at IS NULL) = (fill_no IS NOT NULL))
    )""",
    """CREATE TABLE balances (
        account_no smallint NOT NULL REFERENCES accounts,
        asset text NOT NULL,
        free numeric NOT NULL,
        locked numeric NOT NULL CHECK (locked >= 0),
        venue numeric NOT NULL,
        fees numeric NOT NULL,
        external numeric NOT NULL,
        PRIMARY KEY (account_no, asset),
        CONSTRAINT balances_zero CHECK (free + locked + venue + fees + external = 0)
    ) WITH (fillfactor = 50)""",
    """CREATE TABLE positions (
        account_no smallint NOT NULL REFERENCES accounts,
        symbol text NOT NULL,
        bought numeric NOT NULL CHECK (bought >= 0),
        sold numeric NOT NULL CHECK (sold >= 0),
        paid numeric NOT NULL CHECK (paid >= 0),
        received numeric NOT NULL CHECK (received >= 0),
        fee_base numeric NOT NULL,
        fee_quote numeric NOT NULL,
        PRIMARY KEY (account_no, symbol)
    ) WITH (fillfactor = 50)""",
    """CREATE TABLE reservations (
        account_no smallint NOT NULL REFERENCES accounts,
        ref text COLLATE "C" PRIMARY KEY,
        intent_id bigint NOT NULL REFERENCES intents,
        symbol text NOT NULL,
        asset text NOT NULL,
        amount numeric NOT NULL CHECK (amount > 0 AND amount < 'Infinity'),
        remaining numeric NOT NULL CHECK (remaining BETWEEN 0 AND amount),
        notional numeric NOT NULL CHECK (notional >= 0 AND notional < 'Infinity'),
        heat numeric NOT NULL CHECK (heat >= 0 AND heat < 'Infinity')
    ) WITH (fillfactor = 50)""",
    # -- where reading and deciding stand --------------------------------------------------------------------------
    """CREATE TABLE cursors (
        account_no smallint NOT NULL REFERENCES accounts,
        symbol text NOT NULL,
        trade_id text NOT NULL,
        PRIMARY KEY (account_no, symbol)
    ) WITH (fillfactor = 50)""",
    """CREATE TABLE slots (
        bar_no bigint NOT NULL,
        account_no smallint NOT NULL REFERENCES accounts,
        symbol text NOT NULL,
        data bytea NOT NULL,
        PRIMARY KEY (account_no, symbol)
    ) WITH (fillfactor = 50)""",
    # -- what stops trading ----------------------------------------------------------------------------------------
    """CREATE TABLE locks (
        from_at timestamptz NOT NULL,
        until_at timestamptz,
        ended_at timestamptz,
        lock_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account_no smallint NOT NULL REFERENCES accounts,
        symbol text NOT NULL CHECK (symbol <> ''),
        code text NOT NULL CHECK (code <> ''),
        detail text NOT NULL,
        author text NOT NULL CHECK (author <> ''),
        ended_by text CHECK (ended_by <> ''),
        end_reason text CHECK (end_reason <> ''),
        CHECK (num_nulls(ended_at, ended_by, end_reason) IN (0, 3))
    )""",
    """CREATE TABLE trading_state (
        at timestamptz NOT NULL,
        seq integer NOT NULL CHECK (seq > 0),
        account_no smallint NOT NULL REFERENCES accounts,
        state text NOT NULL CHECK (state IN ('ACTIVE', 'REDUCING', 'HALTED')),
        author text NOT NULL CHECK (author <> ''),
        reason text NOT NULL CHECK (reason <> ''),
        PRIMARY KEY (account_no, seq)
    )""",
    """CREATE TABLE alarms (
        at timestamptz NOT NULL,
        alarm_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account_no smallint NOT NULL REFERENCES accounts,
        code text NOT NULL,
        symbol text NOT NULL,
        detail text NOT NULL
    )""",
    *(
        f"CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        for table in ("fills", "order_events", "ledger", "trading_state", "alarms")
    ),
    "CREATE TRIGGER orders_stay BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION refuse_change()",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)

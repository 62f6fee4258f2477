// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "action_enum"))]
    pub struct ActionEnum;

    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "break_reason_enum"))]
    pub struct BreakReasonEnum;

    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "order_status_enum"))]
    pub struct OrderStatusEnum;

    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "order_type_enum"))]
    pub struct OrderTypeEnum;

    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "side_enum"))]
    pub struct SideEnum;

    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "time_in_force_enum"))]
    pub struct TimeInForceEnum;
}

diesel::table! {
    /// Archives: records that left the database for a file, because their retention had ended
    archives (id) {
        /// Unique archive identifier
        id -> Uuid,
        /// Every removed record was written before this time
        before -> Timestamptz,
        /// How many records were removed
        records -> Int8,
        /// Numbers of the removed records
        covered -> Int8multirange,
        /// The seal to whose root the file leads
        seal -> Int8,
        /// Size of the file in bytes
        size -> Int8,
        /// SHA-256 of the file
        sha256 -> Bytea,
        /// Removed
        created_at -> Timestamptz,
        /// Login that removed them
        acted_by -> Text,
        /// Number in the sequence of the log, by which the row is sealed
        sequence -> Int8,
    }
}

diesel::table! {
    /// Resolutions of breaks: booked as a fill, or dismissed
    break_resolutions (id) {
        /// Unique resolution identifier
        id -> Uuid,
        /// The break; each is resolved at most once
        break_id -> Uuid,
        /// True: booked as a fill of the order; false: dismissed
        is_booked -> Bool,
        /// The order that the fill was booked to, by default the one that the break names
        order_id -> Nullable<Uuid>,
        /// Trader of the order, set by the database
        trader_id -> Nullable<Uuid>,
        /// The fill that was booked, written by the database
        fill_id -> Nullable<Uuid>,
        /// Why, in words
        reason -> Text,
        /// Recorded
        created_at -> Timestamptz,
        /// Login that resolved it
        acted_by -> Text,
        /// Database role it acted as
        acted_as -> Text,
        /// Number in the sequence of the log, by which the row is sealed
        sequence -> Int8,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::BreakReasonEnum;

    /// Executions and other reports that could not be applied, orders that could not be stored, and reported totals that differ from the store's
    breaks (id) {
        /// Unique break identifier
        id -> Uuid,
        /// Kind of rule that refused the report
        reason -> BreakReasonEnum,
        /// What refused the report, in words
        detail -> Text,
        /// The order that the report names, if any; it may not exist
        order_id -> Nullable<Uuid>,
        /// Trader of the order: set by the database if the order exists, else as the report names it
        trader_id -> Nullable<Uuid>,
        /// The client's id of the order that the report names (FIX tag 11, ClOrdID)
        #[max_length = 64]
        client_order_id -> Nullable<Varchar>,
        /// Venue of the execution (FIX tag 30, LastMkt)
        #[max_length = 50]
        venue -> Varchar,
        /// Who assigned the execution id; by default the venue
        #[max_length = 50]
        source -> Varchar,
        /// The venue's id of the execution report (FIX tag 17, ExecID)
        #[max_length = 64]
        execution_id -> Nullable<Varchar>,
        /// For a bust or a correction: execution id of the fill that it amends (FIX tag 19, ExecRefID)
        #[max_length = 64]
        refers_to -> Nullable<Varchar>,
        /// True for a bust (FIX 150=H); a row with refers_to that is no bust is a correction
        is_bust -> Bool,
        /// When it occurred, by the venue's clock (FIX tag 60, TransactTime)
        timestamp -> Timestamptz,
        /// Shares, as reported; for totals, the cumulative filled quantity
        quantity -> Numeric,
        /// Price per share, as reported; for totals, the average price; 0 if there is none
        price -> Numeric,
        /// Commission, as reported
        commission -> Numeric,
        /// Rebate, as reported
        rebate -> Numeric,
        /// The message as received
        raw -> Nullable<Text>,
        /// Recorded
        created_at -> Timestamptz,
        /// Login that recorded it
        acted_by -> Text,
        /// Database role it acted as
        acted_as -> Text,
        /// Number in the sequence of the log, by which the row is sealed
        sequence -> Int8,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::ActionEnum;
    use super::sql_types::OrderStatusEnum;

    /// The execution log: every action on an order, append-only
    execution_logs (id) {
        /// Unique log entry identifier
        id -> Uuid,
        /// Reference to order
        order_id -> Uuid,
        /// Reference to trader
        trader_id -> Uuid,
        /// What happened
        action -> ActionEnum,
        /// The order's status after the action
        status -> Nullable<OrderStatusEnum>,
        /// Moment of the event
        timestamp -> Timestamptz,
        /// Why, in words
        reason -> Nullable<Text>,
        /// Number of the retry; 0 = first try
        retry_attempt -> Nullable<Int4>,
        /// The venue's code
        #[max_length = 50]
        error_code -> Nullable<Varchar>,
        /// Recorded
        created_at -> Timestamptz,
        /// Number of the entry in the whole log, from 1; entries of one order are numbered in the order in which they happened
        sequence -> Int8,
        /// The fill, bust or correction that was booked
        fill_id -> Nullable<Uuid>,
        /// The venue's id of the order, where the action reports it (FIX tag 37, OrderID)
        #[max_length = 64]
        venue_order_id -> Nullable<Varchar>,
        /// Login that acted
        acted_by -> Text,
        /// Database role it acted as
        acted_as -> Text,
        /// When it happened, as the venue reports it (FIX tag 60, TransactTime)
        reported_at -> Nullable<Timestamptz>,
        /// Id of the report that the action was read from, unique per order: the same report adds no second entry
        report_id -> Nullable<Uuid>,
        /// The break that was recorded, booked or dismissed
        break_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    /// Fills: the executions of orders, one row each
    fills (id) {
        /// Unique fill identifier
        id -> Uuid,
        /// Reference to order
        order_id -> Uuid,
        /// When the fill occurred
        timestamp -> Timestamptz,
        /// Number of shares filled
        quantity_filled -> Int4,
        /// Price per share
        price_at_fill -> Numeric,
        /// Venue of the execution: an ISO 10383 MIC where known (e.g. XNAS; FIX tag 30, LastMkt)
        #[max_length = 50]
        venue -> Varchar,
        /// Commission for this fill
        commission -> Numeric,
        /// Recorded
        created_at -> Timestamptz,
        /// Trader of the order, set by the database
        trader_id -> Uuid,
        /// Id of the execution, unique per order chain, source and kind (FIX tag 17, ExecID)
        #[max_length = 64]
        execution_id -> Nullable<Varchar>,
        /// The fill that this row supersedes: a correction counts instead of it, a bust cancels it (FIX tag 19, ExecRefID)
        amends -> Nullable<Uuid>,
        /// True: cancels the amended fill entirely, and this row does not count either (FIX 150=H)
        is_bust -> Bool,
        /// First order of the order chain, set by the database
        root_id -> Uuid,
        /// Who assigned the execution id, such as a broker; by default the venue
        #[max_length = 50]
        source -> Varchar,
        /// What the venue paid for this fill: a negative commission (FIX tag 12 below 0)
        rebate -> Numeric,
        /// The break that this fill was booked from
        break_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::OrderTypeEnum;
    use super::sql_types::OrderStatusEnum;
    use super::sql_types::SideEnum;
    use super::sql_types::TimeInForceEnum;

    /// Orders: the terms as submitted, and the status and totals derived from fills and actions
    orders (id) {
        /// Unique order identifier
        id -> Uuid,
        /// Reference to trader
        trader_id -> Uuid,
        /// Stock symbol (e.g. AAPL, MSFT)
        #[max_length = 10]
        symbol -> Varchar,
        /// Number of shares to trade
        quantity -> Int4,
        /// MARKET / LIMIT / STOP
        order_type -> OrderTypeEnum,
        /// Limit price, or a STOP's trigger; null for market orders
        price -> Nullable<Numeric>,
        /// Risk-management price: close the position at this loss
        stop_loss -> Nullable<Numeric>,
        /// Risk-management price: close the position at this profit
        take_profit -> Nullable<Numeric>,
        /// Current order status
        status -> OrderStatusEnum,
        /// Quantity filled so far
        filled_quantity -> Int4,
        /// Average price of all fills
        average_fill_price -> Nullable<Numeric>,
        /// Submitted
        created_at -> Timestamptz,
        /// Last modified
        updated_at -> Timestamptz,
        /// Expiration, if a timeout is set
        expires_at -> Nullable<Timestamptz>,
        /// Sum of quantity x price of the fills that count, exact (FIX tag 381, GrossTradeAmt)
        filled_notional -> Numeric,
        /// BUY / SELL / SELL_SHORT / SELL_SHORT_EXEMPT (FIX tag 54, Side); null in rows inserted with base columns only
        side -> Nullable<SideEnum>,
        /// The client's id of the order, unique per trader and trading day (FIX tag 11, ClOrdID)
        #[max_length = 64]
        client_order_id -> Nullable<Varchar>,
        /// The venue's id of the order, taken from the log (FIX tag 37, OrderID)
        #[max_length = 64]
        venue_order_id -> Nullable<Varchar>,
        /// The order that this one replaces and so cancels (FIX tag 41, OrigClOrdID)
        replaces -> Nullable<Uuid>,
        /// First order of the order chain, set by the database: of a replacement, the root of the replaced order; else its own id
        root_id -> Uuid,
        /// How many breaks name the order, counted by the database
        break_count -> Int4,
        /// Trading day of the client order id, where ids start again each day; else null (FIX tag 75, TradeDate)
        trading_day -> Nullable<Date>,
        /// Account that the order trades for (FIX tag 1, Account)
        #[max_length = 64]
        account -> Nullable<Varchar>,
        /// How long the order stays open (FIX tag 59, TimeInForce); null if not stated, which FIX reads as DAY
        time_in_force -> Nullable<TimeInForceEnum>,
        /// Limit price of a stop-limit order; its price is the trigger (FIX tag 44, Price, of 40=4)
        limit_price -> Nullable<Numeric>,
        /// Currency of the prices, ISO 4217 (FIX tag 15, Currency)
        #[max_length = 3]
        currency -> Nullable<Varchar>,
        /// When the order was received from the customer (FIX tag 60, TransactTime, of 35=D)
        received_at -> Nullable<Timestamptz>,
        /// Further terms of the order, an object of strings: FIX tag or name -> value (e.g. 18, 21, 110)
        instructions -> Nullable<Jsonb>,
    }
}

diesel::table! {
    /// Seals: signed heads of one growing Merkle tree over the entries of the log, breaks, resolutions and traders
    seals (id) {
        /// Number of the seal: 1, 2, 3 and so on
        id -> Int8,
        /// Version of the scheme by which these records are encoded: see docs/seals.md
        scheme -> Int2,
        /// Name of the tree, the same in each seal; also the name of the key
        origin -> Text,
        /// How many leaves the tree has with this seal
        size -> Int8,
        /// Numbers of the records that this seal covers
        covered -> Int8multirange,
        /// Every record up to this number is covered by this seal or an earlier one, and no further one will appear
        settled -> Int8,
        /// The hash of each covered record, 32 bytes, in the order of their numbers
        leaves -> Bytea,
        /// Roots of the perfect subtrees of the tree, 32 bytes each, the largest first: the next seal continues from them
        frontier -> Bytea,
        /// Root of the whole tree (RFC 6962)
        root -> Bytea,
        /// When it was sealed, by the clock of the sealing program
        sealed_at -> Timestamptz,
        /// The Ed25519 public key that verifies the signature
        public_key -> Bytea,
        /// Ed25519 signature over the tree head: see docs/seals.md
        signature -> Bytea,
        /// Login that inserted the seal
        sealed_by -> Text,
    }
}

diesel::table! {
    /// Traders, the owners of orders (table created by tradeblotter)
    traders (id) {
        /// Unique trader identifier
        id -> Uuid,
        /// Name shown to people
        #[max_length = 100]
        name -> Varchar,
        /// Registered
        created_at -> Timestamptz,
        /// Number in the sequence of the log, by which the row is sealed
        sequence -> Int8,
    }
}

diesel::joinable!(break_resolutions -> breaks (break_id));
diesel::joinable!(break_resolutions -> orders (order_id));
diesel::joinable!(break_resolutions -> traders (trader_id));
diesel::joinable!(breaks -> traders (trader_id));
diesel::joinable!(execution_logs -> orders (order_id));
diesel::joinable!(execution_logs -> traders (trader_id));
diesel::joinable!(fills -> breaks (break_id));
diesel::joinable!(fills -> orders (order_id));
diesel::joinable!(orders -> traders (trader_id));

diesel::allow_tables_to_appear_in_same_query!(
    archives,
    break_resolutions,
    breaks,
    execution_logs,
    fills,
    orders,
    seals,
    traders,
);

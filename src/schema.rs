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
}

diesel::table! {
    /// What has become of a break: booked as a fill, or dismissed
    break_resolutions (id) {
        /// Unique resolution identifier
        id -> Uuid,
        /// The break, which is resolved once
        break_id -> Uuid,
        /// Booked as a fill of the order, or else dismissed
        is_booked -> Bool,
        /// The order it is booked to, by default the one that was meant
        order_id -> Nullable<Uuid>,
        /// Trader of the order, stamped by the database
        trader_id -> Nullable<Uuid>,
        /// The fill that was booked, made by the database
        fill_id -> Nullable<Uuid>,
        /// Why, in words
        reason -> Text,
        /// Recorded
        created_at -> Timestamptz,
        /// Login that resolved it
        acted_by -> Text,
        /// Database role it acted as
        acted_as -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::BreakReasonEnum;

    /// Executions that could not be applied, and totals that differ, as they were reported
    breaks (id) {
        /// Unique break identifier
        id -> Uuid,
        /// Which kind of rule refused it
        reason -> BreakReasonEnum,
        /// What refused it, in words
        detail -> Text,
        /// The order that was meant, if any; perhaps one that is not there
        order_id -> Nullable<Uuid>,
        /// Trader of the order if it is there, stamped by the database
        trader_id -> Nullable<Uuid>,
        /// Where it was executed (FIX tag 30, LastMkt)
        #[max_length = 50]
        venue -> Varchar,
        /// The venue's id of the execution (FIX tag 17, ExecID)
        #[max_length = 64]
        execution_id -> Nullable<Varchar>,
        /// Of a bust or a correction: the execution id of the fill that it amends (FIX tag 19, ExecRefID)
        #[max_length = 64]
        refers_to -> Nullable<Varchar>,
        /// A bust (FIX 150=H); with refers_to and without this a correction
        is_bust -> Bool,
        /// When it occurred (FIX tag 60, TransactTime)
        timestamp -> Timestamptz,
        /// Shares, as reported; of totals, all that is filled
        quantity -> Numeric,
        /// Price per share, as reported; of totals, their average
        price -> Numeric,
        /// Commission, as reported
        commission -> Numeric,
        /// The message as it came
        raw -> Nullable<Text>,
        /// Recorded
        created_at -> Timestamptz,
        /// Login that recorded it
        acted_by -> Text,
        /// Database role it acted as
        acted_as -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::ActionEnum;
    use super::sql_types::OrderStatusEnum;

    /// The audit trail: every action on an order, append only
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
        /// Place in the whole log; the entries of an order are numbered as they happened
        sequence -> Int8,
        /// The fill, bust or correction that was booked
        fill_id -> Nullable<Uuid>,
        /// The venue's id of the order, when the action tells it
        #[max_length = 64]
        venue_order_id -> Nullable<Varchar>,
        /// Login that acted; null in entries older than this column
        acted_by -> Nullable<Text>,
        /// Database role it acted as; null in entries older than this column
        acted_as -> Nullable<Text>,
        /// The break that was kept, booked or dismissed
        break_id -> Nullable<Uuid>,
        /// When it happened, as the venue reports it (FIX tag 60, TransactTime)
        reported_at -> Nullable<Timestamptz>,
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
        /// Where it was executed (e.g. NASDAQ)
        #[max_length = 50]
        venue -> Varchar,
        /// Commission for this fill
        commission -> Numeric,
        /// Recorded
        created_at -> Timestamptz,
        /// Trader of the order, stamped by the database
        trader_id -> Uuid,
        /// The venue's id of the execution, unique for an order and venue (FIX tag 17, ExecID)
        #[max_length = 64]
        execution_id -> Nullable<Varchar>,
        /// The fill that this row corrects or busts; it counts in its place (FIX tag 19, ExecRefID)
        amends -> Nullable<Uuid>,
        /// The amended fill is taken back whole, and this row does not count either (FIX 150=H)
        is_bust -> Bool,
        /// The break that was booked with this fill
        break_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::OrderTypeEnum;
    use super::sql_types::OrderStatusEnum;
    use super::sql_types::SideEnum;

    /// Orders: the terms as submitted, and what has become of them
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
        /// Sum of quantity x price of all fills, exact (FIX tag 381, GrossTradeAmt)
        filled_notional -> Numeric,
        /// BUY / SELL; null where a base-schema client left it out
        side -> Nullable<SideEnum>,
        /// The client's own id of the order, unique for a trader (FIX tag 11, ClOrdID)
        #[max_length = 64]
        client_order_id -> Nullable<Varchar>,
        /// The venue's id of the order, from the log (FIX tag 37, OrderID)
        #[max_length = 64]
        venue_order_id -> Nullable<Varchar>,
        /// The order that this one replaces, which ends with it (FIX tag 41, OrigClOrdID)
        replaces -> Nullable<Uuid>,
    }
}

diesel::table! {
    /// Seals of the log, chained and signed: what it said when it was sealed
    seals (id) {
        /// Place in the chain: 1, 2, 3 and so on
        id -> Int8,
        /// How entries are hashed and what is signed: see docs/seals.md
        scheme -> Int2,
        /// The numbers of the entries that are sealed with it
        covered -> Int8multirange,
        /// Up to this number every entry is in this seal or one before it, and none will come
        settled -> Int8,
        /// How many entries are sealed with it
        entries -> Int4,
        /// The hash of each entry, 32 bytes, in the order of their numbers
        leaves -> Bytea,
        /// Root of the Merkle tree over the hashes
        root -> Bytea,
        /// Hash of the seal before it; of the first, zeros
        previous -> Bytea,
        /// When it was sealed, by the clock of whoever did
        sealed_at -> Timestamptz,
        /// The Ed25519 key that it is signed with
        public_key -> Bytea,
        /// Ed25519 signature over all of it but the hashes of the entries
        signature -> Bytea,
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
    break_resolutions,
    breaks,
    execution_logs,
    fills,
    orders,
    seals,
    traders,
);

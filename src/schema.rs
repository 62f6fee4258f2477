// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "action_enum"))]
    pub struct ActionEnum;

    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "order_status_enum"))]
    pub struct OrderStatusEnum;

    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "order_type_enum"))]
    pub struct OrderTypeEnum;
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
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::OrderTypeEnum;
    use super::sql_types::OrderStatusEnum;

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

diesel::joinable!(execution_logs -> orders (order_id));
diesel::joinable!(execution_logs -> traders (trader_id));
diesel::joinable!(fills -> orders (order_id));
diesel::joinable!(orders -> traders (trader_id));

diesel::allow_tables_to_appear_in_same_query!(execution_logs, fills, orders, traders,);

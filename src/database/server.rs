//! [`ConnectionState`], what a session is connected to.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Double, Integer, Nullable, Text, Timestamptz};

/// What a session is connected to, as it was at one moment.
#[derive(QueryableByName, Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ConnectionState {
    /// When it was, by the server's clock.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// Version of the server, such as `18.1`.
    #[diesel(sql_type = Text)]
    pub version: String,
    /// Name of the database.
    #[diesel(sql_type = Text)]
    pub database: String,
    /// The login.
    #[diesel(sql_type = Text)]
    pub login: String,
    /// The role that the session acts as, such as `blotter_compliance`.
    #[diesel(sql_type = Text)]
    pub role: String,
    /// The server's address; none for a Unix socket.
    #[diesel(sql_type = Nullable<Text>)]
    pub address: Option<String>,
    /// The server's port; none for a Unix socket.
    #[diesel(sql_type = Nullable<Integer>)]
    pub port: Option<i32>,
    /// Whether the server is a hot standby.
    #[diesel(sql_type = Bool)]
    pub is_standby: bool,
    /// How long ago the last transaction was committed that a standby has replayed, in seconds; 0 if it has replayed
    /// all that it has received. None on a primary, and on a standby that has replayed no commit since it started.
    #[diesel(sql_type = Nullable<Double>)]
    pub replay_lag_seconds: Option<f64>,
}

/// Returns what the connection is connected to.
pub(crate) fn connection_state(conn: &mut PgConnection) -> QueryResult<ConnectionState> {
    diesel::sql_query(include_str!("server.sql")).get_result(conn)
}

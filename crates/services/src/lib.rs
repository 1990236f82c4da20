//! What operators and the program itself want done, carried out beside the packet path.
//!
//! Use cases take what somebody wants and store it; the worker carries it out, as often as it takes,
//! through the ports. Nothing here knows a socket or a table.

pub mod api_key;
pub mod bulk;
pub mod event;
pub mod inquiry;
pub mod nas_secret;
pub mod operation;
pub mod operator;
pub mod password;
pub mod plan;
pub mod plan_schedule;
pub mod port;
pub mod reach;
pub mod reconcile;
pub mod rows;
pub mod schedule;
pub mod session;
pub mod statistics;
pub mod subscriber_password;
pub mod subscriber_row;
pub mod subscriber_sheet;
pub mod top_up;
pub mod usage;
pub mod watch;
pub mod webhook;
pub mod worker;

//! The web listener of the real program: what it shows, to whom, and that routers do not notice.

mod authority;
mod certificates;
mod crowds;
mod place;

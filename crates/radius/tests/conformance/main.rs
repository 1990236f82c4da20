//! What the RFCs show and demand, checked through the public interface only.

mod allocations;
mod dynamic_authorization;
mod exchanges;
mod octets;
mod passwords;
mod properties;
mod signing;
mod wire;

//! What the RFCs show and demand, checked through the public interface only.

mod allocations;
mod exchanges;
mod octets;
mod passwords;
mod properties;
mod signing;
mod wire;

//! Reads arbitrary text as Mikrotik-Rate-Limit: what is written again reads the same.
#![no_main]

use domain::rate_limit::RateLimit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(rate) = text.parse::<RateLimit>() {
        let again = rate.to_string().parse::<RateLimit>();
        assert_eq!(again.as_ref().ok(), Some(&rate), "{rate}");
    }
});

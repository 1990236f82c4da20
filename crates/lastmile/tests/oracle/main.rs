//! The same rows, the same questions: FreeRADIUS and the real binary, on both databases.

mod compatible;
mod limits;
mod site;
mod strict;

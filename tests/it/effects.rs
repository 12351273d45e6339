//! Effects: what a handler did to the outside world is not done again once it is confirmed, wherever its worker dies.

mod kill;
mod run;

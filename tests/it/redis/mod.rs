//! The carrier through Redis: what it promises, over real servers. Redis may lose everything at any time.

mod binaries;
mod carrier;
mod checks;
mod defects;
mod faults;
mod flow;
mod nudges;
mod rig;

//! The Address Resolution Protocol (RFC 826) and address conflict detection (RFC 5227), for IPv4 on Ethernet.

pub mod packet;
pub mod responder;

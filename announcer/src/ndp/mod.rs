//! Neighbour discovery for IPv6 (RFC 4861): solicitations and advertisements.

pub mod packet;
pub mod responder;

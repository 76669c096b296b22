//! Mocks of every kind of function, seen by those who are to see them.

mod futures;
mod interference;
mod kinds;
mod odd;
mod scopes;
mod shapes;
mod system;

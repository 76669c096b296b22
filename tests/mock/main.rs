//! Mocks of every kind of function, seen by those who are to see them.

mod futures;
mod hostile;
mod kinds;

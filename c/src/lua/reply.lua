-- REPLY: sends a result to who waits.
-- KEYS reply
-- ARGV payload, keep (1: a waiter's shared list, nothing is cut off)
-- Returns the length of the list.
-- Repeat: a second reply; it ends with the list, and the hash decides.
-- @include answer
return answer(KEYS[1], ARGV[1], ARGV[2] == '1')

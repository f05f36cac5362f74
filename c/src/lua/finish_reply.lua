-- FINISH_REPLY: writes results and answers who waits, where one server has both.
-- KEYS job reply
-- ARGV token, output, entry of a waiter's shared list ('' a list of its own: the output)
-- Several jobs: their keys and arguments behind one another; a list of answers.
-- Returns as FINISH; the bare number where the reply is sent, {n, reply_to} where somebody else is to be answered.
-- Repeat: answers 2, and a second reply; it ends with the list, and the hash decides.
local call = redis.call
-- @include answer
local function one(KEYS, ARGV)
  -- @include result
  local shared = ARGV[3] ~= ''
  if reply_to == KEYS[2] and type(answer(reply_to, shared and ARGV[3] or ARGV[2], shared)) == 'number' then return n end
  if reply_to then return {n, reply_to} end
  return n
end
local keys, args = 2, 3
-- @include each

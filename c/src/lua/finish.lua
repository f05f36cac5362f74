-- FINISH: writes results.
-- KEYS job
-- ARGV token, output
-- Several jobs: a key each, their arguments behind one another; a list of answers.
-- Returns 1 written, 2 written before: {n, reply_to} where somebody is to be answered; -1 missing; -2 ended by another;
--         -3 the token was replaced.
-- Repeat: answers 2.
local call = redis.call
local function one(KEYS, ARGV)
  -- @include result
  if reply_to then return {n, reply_to} end
  return n
end
local keys, args = 1, 2
-- @include each

-- KILL: claim and final failure in one, for an id that was lost or dropped too often.
-- KEYS job
-- ARGV token, queue, over, error
-- Returns as CLAIM; {-2, reply_to, payload, reason} is what it ends, or what had ended: reply, then bury.
-- Repeat: the hash is terminal and names the reason.
-- @include read
-- @include guard
return {-2, give_up(ARGV[4], 'lost'), ARGV[4], 'lost'}

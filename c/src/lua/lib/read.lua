-- What CLAIM and KILL read. v begins with the fields of HQ_CLAIM_FIELDS (delivery.h), in that order, and is cut there.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'script', 'timeout', 'retries', 'callerId', 'contextId', 'env_vars',
  'hq_headers', 'status', 'hq_token', 'hq_attempt', 'output', 'error', 'hq_expires', 'hq_due', 'hq_reply_to')
if v.err then return v end
local status, held, attempt, output, err, expires, due, asks = unpack(v, 8, 15)
v[8] = nil

-- What CLAIM and KILL read. v begins with the fields of HQ_CLAIM_FIELDS (delivery.h), in that order, and is cut there.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'script', 'timeout', 'retries', 'callerId', 'contextId', 'env_vars', 'log_path',
  'createdAt', 'hq_headers', 'status', 'hq_token', 'hq_queue', 'hq_attempt', 'hq_failed', 'output', 'error')
if v.err then return v end
local status, held, queue, attempt, failed, output, err = unpack(v, 10, 16)
v[10] = nil

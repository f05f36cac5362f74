-- old: ids of `made` that are older than `keep` ms, and the oldest beyond `most`; at most 256, twice what a call can add.
local gone = math.min(call('ZCOUNT', made, '-inf', now - keep), 256)
gone = math.min(math.max(gone, call('ZCARD', made) - most), 256)
local old = gone > 0 and call('ZRANGE', made, 0, gone - 1) or {}

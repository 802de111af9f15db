-- The question whose answer the agent waits for in a process of its own, and until when that counts: it is said anew
-- every few seconds, so one that was killed waits no more.

ALTER TABLE progress ADD COLUMN waits_for INTEGER;
ALTER TABLE progress ADD COLUMN waits_until TEXT;

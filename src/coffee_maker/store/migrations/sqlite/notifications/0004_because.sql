-- Why a daemon that could work does nothing: the disk is full, a limit of the day is reached, nothing is planned.

ALTER TABLE heartbeats ADD COLUMN because TEXT;

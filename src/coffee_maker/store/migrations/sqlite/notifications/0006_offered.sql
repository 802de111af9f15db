-- Whether the text was ever in the file, so that an editor may have read it; what is only offered as an answer to a
-- question, or is a step between two versions, was not.

ALTER TABLE roadmap_versions ADD COLUMN in_file INTEGER NOT NULL DEFAULT 1;

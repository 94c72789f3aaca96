-- Which log the checkpoints of reactions belong to: their positions mean nothing in another one.
CREATE TABLE write.followed_log (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    incarnation uuid NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON write.followed_log TO envoi_app;

CREATE TABLE "result_parts" (
	"shard_id" smallint NOT NULL,
	"event_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"bytes" "bytea" NOT NULL,
	CONSTRAINT "result_parts_shard_id_event_id_number_pk" PRIMARY KEY("shard_id","event_id","number")
);

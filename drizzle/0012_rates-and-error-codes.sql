ALTER TABLE "lane_states" ADD COLUMN "per_second" double precision;--> statement-breakpoint
ALTER TABLE "redeliveries" ADD COLUMN "error_code" text;
-- What the DBA runs, with the shop's programs left as they are.
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.protect('customer', 'phone', 'phone');
SELECT cims.protect('customer', 'name', 'name');
ALTER TABLE customer
	ALTER email TYPE cims.enc_text(email),
	ALTER id_card TYPE cims.enc_text(id_card),
	ALTER address TYPE cims.enc_text(address),
	ALTER born TYPE cims.enc_date(birth_date),
	ALTER balance TYPE cims.enc_numeric(number),
	ALTER last_seen TYPE cims.enc_timestamptz(note),
	ALTER profile TYPE cims.enc_jsonb(document),
	ALTER photo TYPE cims.enc_bytea("binary");
SELECT cims.protect('contact', 'phone', 'phone');
SELECT cims.grant_class(class, 'shop', 'reveal')
FROM unnest('{name,phone,email,id_card,address,birth_date,number,note,document,binary}'::text[]) class;

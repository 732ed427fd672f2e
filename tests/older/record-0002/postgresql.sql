CREATE TABLE public.about (
    name character varying(64) NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.attributes (
    pseudonym character varying(32) NOT NULL,
    attribute character varying(64) NOT NULL,
    "group" character varying(64) NOT NULL,
    day integer NOT NULL
);
CREATE TABLE public.chain (
    name character varying(64) NOT NULL,
    pruned_seq bigint NOT NULL,
    pruned_link bytea NOT NULL,
    seq bigint NOT NULL,
    link bytea NOT NULL
);
CREATE TABLE public.checkpoints (
    seq bigint NOT NULL,
    link bytea NOT NULL,
    at_ms bigint NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL
);
CREATE TABLE public.configurations (
    sha256 character varying(64) NOT NULL,
    body text NOT NULL
);
CREATE TABLE public.evidence (
    model character varying(64) NOT NULL,
    attribute character varying(64) NOT NULL,
    "group" character varying(64) NOT NULL,
    metric character varying(64) NOT NULL,
    state text NOT NULL
);
CREATE TABLE public.hourly_decisions (
    hour integer NOT NULL,
    model character varying(64) NOT NULL,
    attribute character varying(64) NOT NULL,
    "group" character varying(64) NOT NULL,
    source character varying(64) NOT NULL,
    base smallint NOT NULL,
    final smallint NOT NULL,
    bin smallint NOT NULL,
    n bigint NOT NULL,
    score double precision NOT NULL
);
CREATE TABLE public.hourly_outcomes (
    hour integer NOT NULL,
    model character varying(64) NOT NULL,
    attribute character varying(64) NOT NULL,
    "group" character varying(64) NOT NULL,
    source character varying(64) NOT NULL,
    base smallint NOT NULL,
    final smallint NOT NULL,
    label smallint NOT NULL,
    bin smallint NOT NULL,
    n bigint NOT NULL,
    score double precision NOT NULL
);
CREATE TABLE public.hourly_risk (
    hour integer NOT NULL,
    model character varying(64) NOT NULL,
    attribute character varying(64) NOT NULL,
    base smallint NOT NULL,
    final smallint NOT NULL,
    bin smallint NOT NULL,
    n bigint NOT NULL,
    risk double precision NOT NULL,
    risk_squared double precision NOT NULL
);
CREATE TABLE public.labels (
    decision character varying(26) NOT NULL,
    label character varying(64) NOT NULL,
    at_ms bigint NOT NULL
);
CREATE TABLE public.own_ids (
    pseudonym character varying(32) NOT NULL,
    decision character varying(26) NOT NULL,
    model character varying(64) NOT NULL
);
CREATE TABLE public.records (
    seq bigint NOT NULL,
    id character varying(26) NOT NULL,
    kind character varying(64) NOT NULL,
    at_ms bigint NOT NULL,
    subject character varying(26),
    body text,
    body_sha256 bytea NOT NULL,
    link bytea NOT NULL
);
INSERT INTO public.about VALUES ('key', 'e6579d34737b83529e6d70fa2178c932cb78181f609cb2f8db942aaca2c741c2');
INSERT INTO public.alembic_version VALUES ('0002');
INSERT INTO public.attributes VALUES ('040d91d7df477ecd5479c5e7233c4853', 'gender', 'Women', 20787);
INSERT INTO public.attributes VALUES ('509753c41773696969b967057de787c2', 'gender', 'Women', 20787);
INSERT INTO public.attributes VALUES ('6b8b74a2fe6c7f8a9cbe8a443fefb790', 'race', 'African', 20787);
INSERT INTO public.attributes VALUES ('8995ac1ef6ba99cf38030c802ebf4f18', 'gender', 'Women', 20787);
INSERT INTO public.attributes VALUES ('9379e51e90aa96e43dc37da10c19e554', 'gender', 'Women', 20787);
INSERT INTO public.attributes VALUES ('a7a244f31c4f416bcfe3c6196a08b9cc', 'gender', 'Women', 20787);
INSERT INTO public.attributes VALUES ('a8ead9f48e7c80578b45c0b96b367f66', 'gender', 'Women', 20787);
INSERT INTO public.attributes VALUES ('afa8c1fa63314f0648324292b30f8142', 'race', 'African', 20787);
INSERT INTO public.attributes VALUES ('c6e2843f9d28ddbdf7cd739415220005', 'race', 'African', 20787);
INSERT INTO public.attributes VALUES ('e1bd0aba85ae5ec33b29f1f1a499606c', 'race', 'African', 20787);
INSERT INTO public.attributes VALUES ('39a95a4004b7d454fdf2448ab052e3d7', 'gender', 'Men', 20787);
INSERT INTO public.chain VALUES ('records', 0, '\x0000000000000000000000000000000000000000000000000000000000000000', 17, '\xd6117ff279841eab66b9d82ad98d8054c58be4c32ddb902708c9f9f17172c9c5');
INSERT INTO public.checkpoints VALUES (17, '\xd6117ff279841eab66b9d82ad98d8054c58be4c32ddb902708c9f9f17172c9c5', 1796058251246, '\xc291743dde11b6bb893fedf95cf4f296b4425ed1529ab40c1f6954c6145641a3', '\x5e4c24644593aadbd23e0068d51cb3f8cf087e5f9b7ae86f3555b5bda443f769dc749a9314242f38f96d74170ee195ceb10f606c86610aac8291de2065783d02');
INSERT INTO public.configurations VALUES ('641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053', '{"v":1,"model":"hate-speech","version":"1.0.0","bundle":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","adapters":{"adapter/any_group/adapter_config.json":"5562603c25e23cfc718087f13a1648e9abce6cf06cca2a87e6535772d0932083","adapter/any_group/adapter_model.safetensors":"0ccfa449e29b3623e09051e8cb8fc4396f153fc5905d9ebb59e76db09f53c32a","adapter/detector.safetensors":"0496aced72ed5791c5ecc5785b919f52ddffbaadf9736df47e1fc6975c4658e2"},"labels":["hate","not hate"],"favourable":["not hate"],"attributes":{"race":{"groups":["none","African","Arab","Asian","multiple"],"reference":"none","threshold":0.5},"religion":{"groups":["none","Islam","Jewish"],"reference":"none","threshold":0.5},"gender":{"groups":["none","Women","Men"],"reference":"none","threshold":0.5},"orientation":{"groups":["none","Homosexual"],"reference":"none","threshold":0.5}}}');
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'unflagged', 'inferred', 1, 1, 5, 2, 1.066677319257487);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'flagged', 'inferred', 1, 1, 5, 1, 0.504564912908059);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'Women', 'declared', 1, 1, 5, 2, 1.066677319257487);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'unflagged', 'inferred', 1, 1, 5, 3, 1.6017834571601748);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'flagged', 'inferred', 1, 0, 1, 1, 0.1642348960801303);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'flagged', 'inferred', 1, 0, 1, 1, 0.1642348960801303);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'Women', 'declared', 1, 0, 1, 1, 0.1642348960801303);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'unflagged', 'inferred', 1, 0, 1, 1, 0.1642348960801303);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'flagged', 'inferred', 0, 1, 7, 1, 0.7712377787295474);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'unflagged', 'inferred', 0, 1, 7, 1, 0.7712377787295474);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'Women', 'declared', 0, 1, 7, 1, 0.7712377787295474);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'flagged', 'inferred', 0, 1, 7, 1, 0.7712377787295474);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'flagged', 'inferred', 1, 0, 0, 1, 0.06085083722148943);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'unflagged', 'inferred', 1, 0, 0, 1, 0.06085083722148943);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'Women', 'declared', 1, 0, 0, 1, 0.06085083722148943);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'flagged', 'inferred', 1, 0, 0, 1, 0.06085083722148943);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'unflagged', 'inferred', 1, 1, 5, 2, 1.0972185442521158);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'unflagged', 'inferred', 1, 1, 7, 1, 0.7102183854095144);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'unflagged', 'inferred', 1, 1, 7, 1, 0.7102183854095144);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'Women', 'declared', 1, 1, 7, 1, 0.7102183854095144);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'unflagged', 'inferred', 1, 1, 7, 1, 0.7102183854095144);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'African', 'declared', 0, 0, 1, 1, 0.16450112187055044);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'flagged', 'inferred', 0, 0, 1, 1, 0.16450112187055044);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'unflagged', 'inferred', 0, 0, 1, 1, 0.16450112187055044);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'unflagged', 'inferred', 0, 0, 1, 1, 0.16450112187055044);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'African', 'declared', 1, 0, 4, 1, 0.4187959828879969);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'unflagged', 'inferred', 1, 0, 4, 1, 0.4187959828879969);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'flagged', 'inferred', 1, 0, 4, 1, 0.4187959828879969);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'flagged', 'inferred', 1, 0, 4, 1, 0.4187959828879969);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'African', 'declared', 0, 0, 0, 1, 0.05060452690675643);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'unflagged', 'inferred', 0, 0, 0, 1, 0.05060452690675643);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'flagged', 'inferred', 0, 0, 0, 1, 0.05060452690675643);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'flagged', 'inferred', 0, 0, 0, 1, 0.05060452690675643);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'African', 'declared', 1, 1, 5, 1, 0.5351061379026879);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'unflagged', 'inferred', 1, 1, 5, 1, 0.5351061379026879);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'unflagged', 'inferred', 1, 0, 3, 1, 0.374279695891946);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'flagged', 'inferred', 1, 0, 3, 1, 0.374279695891946);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'unflagged', 'inferred', 1, 0, 3, 1, 0.374279695891946);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'flagged', 'inferred', 1, 0, 3, 1, 0.374279695891946);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'race', 'unflagged', 'inferred', 1, 0, 0, 1, 0.004355164489537211);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'religion', 'flagged', 'inferred', 1, 0, 0, 1, 0.004355164489537211);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'unflagged', 'inferred', 1, 0, 0, 1, 0.004355164489537211);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'orientation', 'unflagged', 'inferred', 1, 0, 0, 1, 0.004355164489537211);
INSERT INTO public.hourly_decisions VALUES (498905, 'hate-speech', 'gender', 'Men', 'declared', 1, 0, 3, 1, 0.374279695891946);
INSERT INTO public.hourly_outcomes VALUES (498905, 'hate-speech', 'race', 'unflagged', 'inferred', 1, 1, 0, 5, 1, 0.504564912908059);
INSERT INTO public.hourly_outcomes VALUES (498905, 'hate-speech', 'religion', 'flagged', 'inferred', 1, 1, 0, 5, 1, 0.504564912908059);
INSERT INTO public.hourly_outcomes VALUES (498905, 'hate-speech', 'gender', 'Women', 'declared', 1, 1, 0, 5, 1, 0.504564912908059);
INSERT INTO public.hourly_outcomes VALUES (498905, 'hate-speech', 'orientation', 'unflagged', 'inferred', 1, 1, 0, 5, 1, 0.504564912908059);
INSERT INTO public.hourly_outcomes VALUES (498905, 'hate-speech', 'race', 'flagged', 'inferred', 1, 0, 1, 1, 1, 0.1642348960801303);
INSERT INTO public.hourly_outcomes VALUES (498905, 'hate-speech', 'religion', 'flagged', 'inferred', 1, 0, 1, 1, 1, 0.1642348960801303);
INSERT INTO public.hourly_outcomes VALUES (498905, 'hate-speech', 'gender', 'Women', 'declared', 1, 0, 1, 1, 1, 0.1642348960801303);
INSERT INTO public.hourly_outcomes VALUES (498905, 'hate-speech', 'orientation', 'unflagged', 'inferred', 1, 0, 1, 1, 1, 0.1642348960801303);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 1, 1, 1, 1, 0.13436424411240122, 0.018053750095896947);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 1, 1, 8, 1, 0.8474337369372327, 0.7181439384994028);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 1, 1, 7, 1, 0.763774618976614, 0.5833516685928719);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 1, 1, 2, 2, 0.47676069201245674, 0.11420740278657251);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 1, 0, 6, 2, 1.3213233741629837, 0.8731122127149668);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 1, 0, 7, 1, 0.7887233511355132, 0.622084524626434);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 1, 0, 0, 2, 0.1193054477676957, 0.00945711387112866);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 1, 0, 0, 1, 0.02834747652200631, 0.000803579425165699);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 0, 1, 7, 1, 0.762280082457942, 0.5810709241120868);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 0, 1, 0, 1, 0.0021060533511106927, 4.435460717724579e-06);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 0, 1, 4, 1, 0.4453871940548014, 0.19836975262800935);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 0, 1, 7, 1, 0.7215400323407826, 0.5206200182703375);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 1, 0, 9, 1, 0.9014274576114836, 0.812571461335903);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 1, 0, 0, 1, 0.030589983033553536, 0.0009357470619930932);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 1, 0, 5, 1, 0.5414124727934966, 0.29312746569636866);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 1, 1, 2, 2, 0.449683847388186, 0.10124365978922001);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 1, 1, 4, 1, 0.4221165755827173, 0.1781824033816799);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 1, 1, 0, 2, 0.06496511696772556, 0.0021339247852951377);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 1, 1, 2, 2, 0.4991072831903124, 0.1252524554836766);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 1, 1, 2, 1, 0.2187810373376886, 0.0478651422985551);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 1, 1, 4, 1, 0.4596034657377336, 0.21123534571813604);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 0, 0, 9, 1, 0.9560342718892494, 0.9140015290268072);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 0, 0, 9, 1, 0.9478274870593494, 0.8983769452252411);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 0, 0, 0, 1, 0.05655136772680869, 0.0031980571917727394);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 0, 0, 0, 1, 0.08487199515892163, 0.0072032555622560165);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 1, 0, 3, 1, 0.3081364575891442, 0.09494807649558647);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 1, 0, 6, 1, 0.6059441656784624, 0.36716833191976794);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 1, 0, 6, 2, 1.2107217722370325, 0.7329277569675554);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 0, 0, 4, 1, 0.43066964029126864, 0.18547633906861072);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 0, 0, 3, 1, 0.39353182020537136, 0.15486729351415274);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 0, 0, 7, 1, 0.7230120812374659, 0.5227464696153319);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 0, 0, 9, 1, 0.9948195629497427, 0.9896659628275171);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 1, 1, 4, 1, 0.4448541887258536, 0.19789524922693735);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 1, 1, 0, 1, 0.027444857090819008, 0.0007532201807354784);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 1, 0, 2, 1, 0.23796462709189137, 0.05662716374698292);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 1, 0, 5, 1, 0.5442292252959519, 0.29618544966623195);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 1, 0, 3, 1, 0.36995516654807925, 0.13686682525561705);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'race', 1, 0, 0, 1, 0.013167991554874137, 0.0001733960015892366);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'religion', 1, 0, 8, 1, 0.83746908209646, 0.7013544634674872);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'gender', 1, 0, 2, 1, 0.25935401432800764, 0.06726450474805239);
INSERT INTO public.hourly_risk VALUES (498905, 'hate-speech', 'orientation', 1, 0, 2, 1, 0.23433096104669637, 0.054910999305068334);
INSERT INTO public.labels VALUES ('01M8PPKZGQ47SB129475QQQFQJ', 'hate', 1796058251114);
INSERT INTO public.labels VALUES ('01M8PPKZGQ6JYKJWXRRGFX33A0', 'not hate', 1796058251114);
INSERT INTO public.records VALUES (1, '01M8PPKZGQ47SB129475QQQFQJ', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQ47SB129475QQQFQJ","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.13436424411240122,"religion":0.8474337369372327,"gender":0.763774618976614,"orientation":0.2550690257394217},"flagged":["religion","gender"],"base":{"label":"not hate","score":0.5505089352112619,"favourable":true},"final":{"label":"not hate","score":0.504564912908059,"favourable":true},"p_favourable":0.504564912908059,"corrected":false,"error":null}', '\x4577faeab223f13f4d90a8d2485881eccfb3bc8dc90e0e48f15b40a64dab0cd8', '\xe495af79c4134d11a368ca23ff0b3cf9a2f1a6f0af88b051d331dc0f21854a29');
INSERT INTO public.records VALUES (2, '01M8PPKZGQ6JYKJWXRRGFX33A0', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQ6JYKJWXRRGFX33A0","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.651592972722763,"religion":0.7887233511355132,"gender":0.0938595867742349,"orientation":0.02834747652200631},"flagged":["race","religion"],"base":{"label":"not hate","score":0.5672329320949466,"favourable":true},"final":{"label":"hate","score":0.8357651039198697,"favourable":false},"p_favourable":0.1642348960801303,"corrected":false,"error":null}', '\x657171dfcbea16f7a5836553f58030a23720e6ce6ef9ba8a35400c6565bd4a9c', '\x1b84adea932bc6852cadf8b148318c5b7f4c242920fedfb9af24d326f4677776');
INSERT INTO public.records VALUES (3, '01M8PPKZGQ166QEJ74729PEA09', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQ166QEJ74729PEA09","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.762280082457942,"religion":0.0021060533511106927,"gender":0.4453871940548014,"orientation":0.7215400323407826},"flagged":["race","orientation"],"base":{"label":"hate","score":0.9452706955539223,"favourable":false},"final":{"label":"not hate","score":0.7712377787295474,"favourable":true},"p_favourable":0.7712377787295474,"corrected":false,"error":null}', '\x00c9d5fb8e94b96ba15b0687c1092dce6307efb73199cefc46c19cff44ad889f', '\x9ae07d27ffa44a56eaca8bb8f69538c369fe823af48760992cda0f12badfa10d');
INSERT INTO public.records VALUES (4, '01M8PPKZGQZ147EE1MA7CHR3M5', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQZ147EE1MA7CHR3M5","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.9014274576114836,"religion":0.030589983033553536,"gender":0.0254458609934608,"orientation":0.5414124727934966},"flagged":["race","orientation"],"base":{"label":"not hate","score":0.6187957623117876,"favourable":true},"final":{"label":"hate","score":0.9391491627785106,"favourable":false},"p_favourable":0.06085083722148943,"corrected":false,"error":null}', '\x51107a6cd925abacfd344e439d9514c3b8bd7a6112699284e5eac02f9367b2f7', '\xf1bd0d1a1d612a25f7f8493c19897cc8e8e0fdf2a767c837a453f149a0771d92');
INSERT INTO public.records VALUES (5, '01M8PPKZGQBTPVYZ2SB2Q3BPNX', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQBTPVYZ2SB2Q3BPNX","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.21659939713061338,"religion":0.4221165755827173,"gender":0.029040787574867943,"orientation":0.22169166627303505},"flagged":[],"base":{"label":"not hate","score":0.5041877586181494,"favourable":true},"final":{"label":"not hate","score":0.5621124063494279,"favourable":true},"p_favourable":0.5621124063494279,"corrected":false,"error":null}', '\xb31a0a8e467c4cb7711071740084636c6ff91f3667e545fe1dc854859669b76f', '\x9ed364fb4272a7ca70d711b4e387ae36d71d21057024c9da6c5158fba602b1bb');
INSERT INTO public.records VALUES (6, '01M8PPKZGQWZW9A5MFETH5JPJP', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQWZW9A5MFETH5JPJP","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.23308445025757263,"religion":0.2308665415409843,"gender":0.2187810373376886,"orientation":0.4596034657377336},"flagged":[],"base":{"label":"not hate","score":0.9785102947340911,"favourable":true},"final":{"label":"not hate","score":0.7102183854095144,"favourable":true},"p_favourable":0.7102183854095144,"corrected":false,"error":null}', '\x2de3860426c4fe7c57227767acc6c2169a12e1184dc25319187399619f79114f', '\x7a5dd7a6be242c4dbac378904a0b20bdb4b3eef2e4f50d814429b93a6e929803');
INSERT INTO public.records VALUES (7, '01M8PPKZGQWCR0JJC8RWYBS3AG', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQWCR0JJC8RWYBS3AG","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.9560342718892494,"religion":0.9478274870593494,"gender":0.05655136772680869,"orientation":0.08487199515892163},"flagged":["race","religion"],"base":{"label":"hate","score":0.7359699890685233,"favourable":false},"final":{"label":"hate","score":0.8354988781294496,"favourable":false},"p_favourable":0.16450112187055044,"corrected":false,"error":null}', '\x0227dc85d95abdbcf87edd23c19b270a9a242766fad49562c056fd7c3436782e', '\xc8aa01959fbd7f7ade72336c9b7deae49508b30b081f0dff21b97aaf2ac1ef90');
INSERT INTO public.records VALUES (8, '01M8PPKZGQ3TEMNEQ6T5VANGWA', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQ3TEMNEQ6T5VANGWA","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.6697304014402209,"religion":0.3081364575891442,"gender":0.6059441656784624,"orientation":0.6068017336408379},"flagged":["race","gender","orientation"],"base":{"label":"not hate","score":0.8416171297451944,"favourable":true},"final":{"label":"hate","score":0.5812040171120031,"favourable":false},"p_favourable":0.4187959828879969,"corrected":false,"error":null}', '\xe157a4f5b7e78268823a055c6d7a571471fe1f5d8aed1533e37062471a63dcbe', '\xca7db8f5548956e290aeec18ea126ccc12a6fe1360edc8871011d53c51ee9436');
INSERT INTO public.records VALUES (9, '01M8PPKZGQSPTTAWCK2JPNH7ST', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQSPTTAWCK2JPNH7ST","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.43066964029126864,"religion":0.39353182020537136,"gender":0.7230120812374659,"orientation":0.9948195629497427},"flagged":["gender","orientation"],"base":{"label":"hate","score":0.5441770474293208,"favourable":false},"final":{"label":"hate","score":0.9493954730932436,"favourable":false},"p_favourable":0.05060452690675643,"corrected":false,"error":null}', '\x3d3f790e53018bd14fbb159030d07a3169d81b0813c4c6264db831e01441b5a6', '\x5d0b985f24cc4dc3909bf6339c477d7d00a9ad91141563602873bb643d4d9b15');
INSERT INTO public.records VALUES (10, '01M8PPKZGQ0QS03JK007DH4D35', 'decision', 1796058250775, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQ0QS03JK007DH4D35","time":"2026-11-30T17:04:10.775Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.4448541887258536,"religion":0.2682407416493281,"gender":0.03592432939285761,"orientation":0.027444857090819008},"flagged":[],"base":{"label":"not hate","score":0.6815348721463226,"favourable":true},"final":{"label":"not hate","score":0.5351061379026879,"favourable":true},"p_favourable":0.5351061379026879,"corrected":false,"error":null}', '\xa1ecc1ba28200cd724517c068068d1800bba88b8ac196abc40d27ac1dc1576cc', '\x48c1811126ffbcff05726674869e5601ff2571ae2bad4d8b1259fd8e2ffe2b10');
INSERT INTO public.records VALUES (11, '01M8PPKZGQYGAZZ23HEMZCG000', 'decision', 1796058250776, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGQYGAZZ23HEMZCG000","time":"2026-11-30T17:04:10.776Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":[],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.23796462709189137,"religion":0.5442292252959519,"gender":0.36995516654807925,"orientation":0.6039200385961945},"flagged":["religion","orientation"],"base":{"label":"not hate","score":0.9344711407601869,"favourable":true},"final":{"label":"hate","score":0.625720304108054,"favourable":false},"p_favourable":0.374279695891946,"corrected":false,"error":null}', '\x2e6272512914f804a745914b7c8f4a1530f41d87d696501374f910838bbfccb3', '\x6a7b7e7a20bdc8050c2b1e63c608a919a789d87403a75a1e02cfd35f6e135ef8');
INSERT INTO public.records VALUES (12, '01M8PPKZGR4Y5H6DDRAHXSBS2Z', 'decision', 1796058250776, NULL, '{"v":1,"kind":"decision","id":"01M8PPKZGR4Y5H6DDRAHXSBS2Z","time":"2026-11-30T17:04:10.776Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":[],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.013167991554874137,"religion":0.83746908209646,"gender":0.25935401432800764,"orientation":0.23433096104669637},"flagged":["religion"],"base":{"label":"not hate","score":0.5297364924775521,"favourable":true},"final":{"label":"hate","score":0.9956448355104628,"favourable":false},"p_favourable":0.004355164489537211,"corrected":false,"error":null}', '\x73fd2bb57d13774471252ab7fb31ed6a7733ae78ad780a3c62ffbaca8dfc84a1', '\xea580195c503db047fe2f65f8c9d0816b1ae7b619a32b5ff2cba7f59d4eb3aee');
INSERT INTO public.records VALUES (13, '01M8PPKZVA9A9ZYDV0QFYX9T3J', 'label', 1796058251114, '01M8PPKZGQ47SB129475QQQFQJ', '{"v":1,"kind":"label","id":"01M8PPKZVA9A9ZYDV0QFYX9T3J","time":"2026-11-30T17:04:11.114Z","subject":"01M8PPKZGQ47SB129475QQQFQJ","label":"hate","favourable":false}', '\x79cd6214ec5e5064ac9461d65963df446a407a1be3289885486d7a7544521177', '\xd3df4e8abb71f2d08c9ebe9b3c30d54233e9413a668893082a13f716649b9af2');
INSERT INTO public.records VALUES (14, '01M8PPKZVA3PXNMT20Q6HF67FR', 'label', 1796058251114, '01M8PPKZGQ6JYKJWXRRGFX33A0', '{"v":1,"kind":"label","id":"01M8PPKZVA3PXNMT20Q6HF67FR","time":"2026-11-30T17:04:11.114Z","subject":"01M8PPKZGQ6JYKJWXRRGFX33A0","label":"not hate","favourable":true}', '\xbd22eb6b710d79fa3f38105cf882a0c8ad713819f0f0debdf7bf33ffb4334b44', '\x02256bc89f7aa6dbdc9e245c1f49f1626e422335b383cb0ca422b610e13d4156');
INSERT INTO public.records VALUES (15, '01M8PPKZVA9A65JG1J69V36EXH', 'groups', 1796058251114, '01M8PPKZGQYGAZZ23HEMZCG000', '{"v":1,"kind":"groups","id":"01M8PPKZVA9A65JG1J69V36EXH","time":"2026-11-30T17:04:11.114Z","subject":"01M8PPKZGQYGAZZ23HEMZCG000","attributes":["gender"]}', '\xff5722865141f4915dc0616e7b1300bb1f52ecaab843ca30a4e4e9f9b897c1f7', '\x563f403751cd54714ea99b77c54d896fd8a42846821550ffd93b76a7e0121eb2');
INSERT INTO public.records VALUES (16, '01M8PPKZWSRW2YAYK55NHYBK5N', 'override', 1796058251161, '01M8PPKZGQ166QEJ74729PEA09', '{"v":1,"kind":"override","id":"01M8PPKZWSRW2YAYK55NHYBK5N","time":"2026-11-30T17:04:11.161Z","subject":"01M8PPKZGQ166QEJ74729PEA09","label":"hate","by":"a reviewer","reason":"seen again"}', '\x12cdcc18604d520e27d6ae6100a2faea49c476ef7855c2a70b672fd34b84b119', '\xba32cc8ee115060daf0bb07adabb44f2eeebdde054a9a1598a98a3318d50ec9b');
INSERT INTO public.records VALUES (17, '01M8PPKZX6S6PWTKDNMM9V97W1', 'mode', 1796058251174, NULL, '{"v":1,"kind":"mode","id":"01M8PPKZX6S6PWTKDNMM9V97W1","time":"2026-11-30T17:04:11.174Z","model":"hate-speech","attribute":null,"mode":"shadow"}', '\x26216e48a1bb7ae2b88d211dc1959a09d06f1a2cf3a9bb2711a77b0859e390f7', '\xd6117ff279841eab66b9d82ad98d8054c58be4c32ddb902708c9f9f17172c9c5');
ALTER TABLE ONLY public.about
    ADD CONSTRAINT about_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.attributes
    ADD CONSTRAINT attributes_pkey PRIMARY KEY (pseudonym, attribute);
ALTER TABLE ONLY public.chain
    ADD CONSTRAINT chain_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.configurations
    ADD CONSTRAINT configurations_pkey PRIMARY KEY (sha256);
ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (model, attribute, "group", metric);
ALTER TABLE ONLY public.hourly_decisions
    ADD CONSTRAINT hourly_decisions_pkey PRIMARY KEY (hour, model, attribute, "group", source, base, final, bin);
ALTER TABLE ONLY public.hourly_outcomes
    ADD CONSTRAINT hourly_outcomes_pkey PRIMARY KEY (hour, model, attribute, "group", source, base, final, label, bin);
ALTER TABLE ONLY public.hourly_risk
    ADD CONSTRAINT hourly_risk_pkey PRIMARY KEY (hour, model, attribute, base, final, bin);
ALTER TABLE ONLY public.labels
    ADD CONSTRAINT labels_pkey PRIMARY KEY (decision);
ALTER TABLE ONLY public.own_ids
    ADD CONSTRAINT own_ids_pkey PRIMARY KEY (pseudonym, decision);
ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (seq);
CREATE INDEX attributes_day ON public.attributes USING btree (day);
CREATE INDEX own_ids_decision ON public.own_ids USING btree (decision);
CREATE INDEX records_at_ms ON public.records USING btree (at_ms);
CREATE UNIQUE INDEX records_id ON public.records USING btree (id);
CREATE INDEX records_subject ON public.records USING btree (subject);

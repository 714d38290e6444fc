"""The topics of the corpus: terms by topic and language, and sentence templates."""

from typing import Final, Literal, get_args

Language = Literal["en", "de", "fr", "es", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

# The terms of a topic are in the same order in each language.
TOPICS: Final[dict[str, dict[Language, tuple[str, ...]]]] = {
    "coffee": {
        "en": ("espresso", "roasting", "coffee beans", "grinder", "crema", "filter brewing", "harvest", "barista"),
        "de": ("Espresso", "Röstung", "Kaffeebohnen", "Mühle", "Crema", "Filterkaffee", "Ernte", "Barista"),
        "fr": ("expresso", "torréfaction", "grains de café", "moulin", "crème", "café filtre", "récolte", "barista"),
        "es": ("espresso", "tueste", "granos de café", "molinillo", "crema", "café de filtro", "cosecha", "barista"),
        "zh": ("浓缩咖啡", "烘焙", "咖啡豆", "磨豆机", "油脂", "滤杯", "采收", "咖啡师"),
    },
    "glacier": {
        "en": ("glacier", "moraine", "meltwater", "ice core", "snowfield", "crevasse", "valley", "retreat"),
        "de": ("Gletscher", "Moräne", "Schmelzwasser", "Eisbohrkern", "Schneefeld", "Spalte", "Tal", "Rückzug"),
        "fr": ("glacier", "moraine", "eau de fonte", "carotte glaciaire", "névé", "crevasse", "vallée", "recul"),
        "es": ("glaciar", "morrena", "agua de deshielo", "testigo de hielo", "nevero", "grieta", "valle", "retroceso"),
        "zh": ("冰川", "冰碛", "融水", "冰芯", "雪原", "冰裂隙", "山谷", "退缩"),
    },
    "violin": {
        "en": ("violin", "soundpost", "varnish", "spruce", "bow", "luthier", "resonance", "string quartet"),
        "de": ("Geige", "Stimmstock", "Lack", "Fichte", "Bogen", "Geigenbauer", "Resonanz", "Streichquartett"),
        "fr": ("violon", "âme", "vernis", "épicéa", "archet", "luthier", "résonance", "quatuor à cordes"),
        "es": ("violín", "alma", "barniz", "abeto", "arco", "lutier", "resonancia", "cuarteto de cuerda"),
        "zh": ("小提琴", "音柱", "清漆", "云杉", "琴弓", "制琴师", "共鸣", "弦乐四重奏"),
    },
    "storage": {
        "en": ("file system", "metadata", "inode", "journal", "snapshot", "cache", "latency", "object store"),
        "de": ("Dateisystem", "Metadaten", "Inode", "Journal", "Schnappschuss", "Cache", "Latenz", "Objektspeicher"),
        "fr": ("système de fichiers", "métadonnées", "inode", "journal", "instantané", "cache", "latence", "objets"),
        "es": ("sistema de archivos", "metadatos", "inodo", "diario", "instantánea", "caché", "latencia", "objetos"),
        "zh": ("文件系统", "元数据", "索引节点", "日志", "快照", "缓存", "延迟", "对象存储"),
    },
    "bees": {
        "en": ("honeybee", "hive", "pollen", "nectar", "queen", "swarm", "beekeeper", "waggle dance"),
        "de": ("Honigbiene", "Bienenstock", "Pollen", "Nektar", "Königin", "Schwarm", "Imkerin", "Schwänzeltanz"),
        "fr": ("abeille", "ruche", "pollen", "nectar", "reine", "essaim", "apiculteur", "danse frétillante"),
        "es": ("abeja", "colmena", "polen", "néctar", "reina", "enjambre", "apicultor", "danza de la abeja"),
        "zh": ("蜜蜂", "蜂箱", "花粉", "花蜜", "蜂王", "蜂群", "养蜂人", "摇摆舞"),
    },
    "railway": {
        "en": ("locomotive", "timetable", "signal box", "gauge", "sleeper car", "viaduct", "platform", "freight"),
        "de": ("Lokomotive", "Fahrplan", "Stellwerk", "Spurweite", "Schlafwagen", "Viadukt", "Bahnsteig", "Güterzug"),
        "fr": ("locomotive", "horaire", "poste d'aiguillage", "écartement", "wagon-lit", "viaduc", "quai", "fret"),
        "es": ("locomotora", "horario", "enclavamiento", "ancho de vía", "coche cama", "viaducto", "andén", "carga"),
        "zh": ("机车", "时刻表", "信号楼", "轨距", "卧铺车", "高架桥", "站台", "货运"),
    },
    "volcano": {
        "en": ("volcano", "magma chamber", "basalt", "ash cloud", "caldera", "eruption", "seismograph", "lava flow"),
        "de": ("Vulkan", "Magmakammer", "Basalt", "Aschewolke", "Caldera", "Ausbruch", "Seismograph", "Lavastrom"),
        "fr": (
            "volcan",
            "chambre magmatique",
            "basalte",
            "nuage de cendres",
            "caldeira",
            "éruption",
            "sismographe",
            "lave",
        ),
        "es": ("volcán", "cámara magmática", "basalto", "nube de ceniza", "caldera", "erupción", "sismógrafo", "lava"),
        "zh": ("火山", "岩浆房", "玄武岩", "火山灰", "破火山口", "喷发", "地震仪", "熔岩流"),
    },
    "bread": {
        "en": ("sourdough", "rye flour", "oven", "crust", "fermentation", "kneading", "yeast", "bakery"),
        "de": ("Sauerteig", "Roggenmehl", "Ofen", "Kruste", "Gärung", "Kneten", "Hefe", "Bäckerei"),
        "fr": ("levain", "farine de seigle", "four", "croûte", "fermentation", "pétrissage", "levure", "boulangerie"),
        "es": ("masa madre", "harina de centeno", "horno", "corteza", "fermentado", "amasado", "levadura", "panadería"),
        "zh": ("酸面团", "黑麦粉", "烤箱", "面包皮", "发酵", "揉面", "酵母", "面包店"),
    },
    "astronomy": {
        "en": ("telescope", "nebula", "galaxy", "spectrum", "exoplanet", "mirror", "observatory", "supernova"),
        "de": ("Teleskop", "Nebel", "Galaxie", "Spektrum", "Exoplanet", "Spiegel", "Sternwarte", "Supernova"),
        "fr": ("télescope", "nébuleuse", "galaxie", "spectre", "exoplanète", "miroir", "observatoire", "supernova"),
        "es": ("telescopio", "nebulosa", "galaxia", "espectro", "exoplaneta", "espejo", "observatorio", "supernova"),
        "zh": ("望远镜", "星云", "星系", "光谱", "系外行星", "镜面", "天文台", "超新星"),
    },
    "sailing": {
        "en": ("sailboat", "harbour", "spinnaker", "tide", "compass", "regatta", "keel", "lighthouse"),
        "de": ("Segelboot", "Hafen", "Spinnaker", "Gezeiten", "Kompass", "Regatta", "Kiel", "Leuchtturm"),
        "fr": ("voilier", "port", "spinnaker", "marée", "compas", "régate", "quille", "phare"),
        "es": ("velero", "puerto", "spinnaker", "marea", "compás", "regata", "quilla", "faro"),
        "zh": ("帆船", "港口", "大三角帆", "潮汐", "罗盘", "帆船赛", "龙骨", "灯塔"),
    },
}

# Each sentence takes two terms of the topic.
SENTENCES: Final[dict[Language, tuple[str, ...]]] = {
    "en": (
        "The {a} was measured twice before the {b} was changed.",
        "Nobody had expected that the {a} would depend so much on the {b}.",
        "In the second year a better {a} replaced the old {b}.",
        "Notes on the {a} and on the {b} were kept in a small book.",
        "Without the {b}, the {a} is only half of the story.",
        "Visitors asked about the {a}; the answer was always the {b}.",
    ),
    "de": (
        "Vor der Änderung wurde {a} zweimal gemessen und mit {b} verglichen.",
        "Niemand hatte erwartet, dass {a} so sehr von {b} abhängt.",
        "Im zweiten Jahr stand {a} im Mittelpunkt, danach {b}.",
        "Über {a} und {b} wurde ein kleines Buch geführt.",
        "Ohne {b} ist {a} nur die halbe Geschichte.",
    ),
    "fr": (
        "Avant le changement, {a} fut comparé deux fois avec {b}.",
        "Personne n'attendait que {a} dépende autant de {b}.",
        "La deuxième année, {a} était au centre, puis {b}.",
        "Un petit carnet parlait de {a} et de {b}.",
        "Sans {b}, {a} n'est que la moitié de l'histoire.",
    ),
    "es": (
        "Antes del cambio se comparó {a} dos veces con {b}.",
        "Nadie esperaba que {a} dependiera tanto de {b}.",
        "El segundo año lo importante era {a}, después {b}.",
        "Un pequeño cuaderno hablaba de {a} y de {b}.",
        "Sin {b}, {a} es solo la mitad de la historia.",
    ),
    "zh": (
        "更换{b}之前，{a}测量了两次。",
        "没有人想到{a}会如此依赖{b}。",
        "第二年，{a}取代了旧的{b}。",
        "关于{a}和{b}的笔记写在一个小本子里。",
        "没有{b}，{a}只是故事的一半。",
    ),
}
